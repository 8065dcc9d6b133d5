"""Asks other bodies' witnesses to sign the log's checkpoints; whom one refuses is told at once."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import structlog
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector
from sqlalchemy import Connection, Engine

from router.ledger.engine import reading
from router.ledger.log import checkpoints, tree
from router.ledger.log.checkpoints import KeptCheckpoint
from router.ledger.writer import Writer
from router.process.bodies import read_within
from router.storage.transactions import in_thread
from router.tls.contexts import ClientContext
from schemas.events import Event
from schemas.trust.errors import ProofError
from schemas.trust.notes import NoteKey, open_note
from schemas.trust.witnessing import WitnessRequest, cosignatures

log = structlog.get_logger()
_ANSWERS_WITHIN = ClientTimeout(total=20)
_LARGEST_ANSWER = 16 * 1024
_SIGNED, _SEEN_OTHERWISE = 200, 409
_TRIES = 2
"""The first with the size that it signed last, the second with the one that it says."""


@dataclass(frozen=True, slots=True)
class WitnessAddress:
    """Where a witness is, and its key."""

    url: str
    key: NoteKey

    @classmethod
    def parse(cls, text: str) -> "WitnessAddress":
        """Read ``<URL> <key>``.

        Raises:
            NoteError: the key cannot be read.
        """
        url, _, key = text.strip().partition(" ")
        return cls(url.rstrip("/"), NoteKey.parse(key))


class Asked(NamedTuple):
    """What a witness answered."""

    status: int
    text: str


class Cosigning:
    """Has witnesses sign, one beside the other.

    Args:
        engine: the ledger's.
        writer: its group commit.
        witnesses: whom to ask.
        tls: whom to trust.
    """

    def __init__(self, engine: Engine, writer: Writer, witnesses: Sequence[WitnessAddress], tls: ClientContext) -> None:
        self._engine = engine
        self._writer = writer
        self._witnesses = witnesses
        self._tls = tls
        self._signed: dict[WitnessAddress, int] = {}

    async def ask(self, made: KeptCheckpoint) -> None:
        """Ask all of them to sign a checkpoint, and keep what they sign."""
        if not self._witnesses:
            return
        await asyncio.gather(*(self._ask(witness, made) for witness in self._witnesses))

    async def post(self, witness: WitnessAddress, asked: str) -> Asked:
        """Put a request to a witness.

        Raises:
            ClientError: it was not reached.
        """
        url, connector = f"{witness.url}/add-checkpoint", TCPConnector(ssl=self._tls)
        async with (
            ClientSession(timeout=_ANSWERS_WITHIN, connector=connector) as http,
            http.post(url, data=asked.encode(), allow_redirects=False) as reply,
        ):
            body = await read_within(reply.content, _LARGEST_ANSWER) or b""
            return Asked(reply.status, body.decode(errors="replace"))

    async def _ask(self, witness: WitnessAddress, made: KeptCheckpoint) -> None:
        try:
            answer = await self._until_answered(witness, made)
            if answer.status != _SIGNED:
                log.error(Event.LOG_WITNESS_REFUSES, witness=witness.key.name, status=answer.status, reason=answer.text)
                return
            text = made.note.partition("\n\n")[0] + "\n"
            lines = "".join(cosignatures(answer.text))
            open_note(f"{text}\n{lines}", [witness.key])
            await self._writer.run(_keep, (made.size, lines))
        except (ClientError, TimeoutError, OSError, ProofError) as error:
            log.warning(Event.LOG_WITNESS_AWAY, witness=witness.key.name, error=f"{type(error).__name__}: {error}")
            return
        self._signed[witness] = made.size
        log.debug(Event.LOG_SIGNED, size=made.size, witness=witness.key.name)

    async def _until_answered(self, witness: WitnessAddress, made: KeptCheckpoint) -> Asked:
        old, answer = self._signed.get(witness, 0), Asked(0, "")
        for _ in range(_TRIES):
            asked = await in_thread(partial(reading, self._engine), partial(_request, old, made))
            answer = await self.post(witness, asked)
            told = answer.text.strip()
            if answer.status != _SEEN_OTHERWISE or not told.isdecimal() or int(told) == old:
                return answer
            old = int(told)
            if old > made.size:
                return Asked(answer.status, f"it has signed {old} entries, and the log has {made.size}")
        return answer


def _request(old: int, made: KeptCheckpoint, conn: Connection) -> str:
    proof = tree.consistency_proof(conn, old, made.size) if old else []
    return WitnessRequest(old, tuple(proof), made.note).text


def _keep(conn: Connection, signed: Sequence[tuple[int, str]]) -> list[None]:
    for size, lines in signed:
        checkpoints.cosign(conn, size, lines)
    return [None] * len(signed)
