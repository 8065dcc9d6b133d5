"""Watches the centre's log: it may only grow, and is signed by one key. What does not fit is an alarm that stays.

A checkpoint is asked for each five minutes. That it is no shorter is seen each time; that it goes on from what was seen
before is proved once a day, for a proof is longer than a checkpoint.
"""

import asyncio
import binascii
from base64 import b64decode

import aiohttp
import structlog

from consumers.errors import SpoolUnavailableError
from consumers.spool import Spool, Writer, log_seen
from consumers.spool.log_seen import SILENT, LogAlarm, LogSeen
from consumers.taking.naming import LineSession
from consumers.trust import judging
from router.process.bodies import read_within
from schemas.clock import Clock, now_ms
from schemas.events import Event
from schemas.trust.checkpoints import HEADER_LOG_KEY, Checkpoint, open_checkpoint
from schemas.trust.errors import ProofError
from schemas.trust.merkle import EMPTY_ROOT, HASH_BYTES
from schemas.trust.notes import MAX_NOTE_BYTES, NoteKey

log = structlog.get_logger()
EVERY = 300.0
"""Seconds between two looks."""
PROVED_EVERY_MS = 24 * 3_600_000
_FIRST_PAUSE = 30.0
_OK, _NOT_MODIFIED, _NOT_FOUND = 200, 304, 404


class LogWatch:
    """Looks at the log.

    Args:
        spool: keeps what was seen.
        writer: of that spool.
        http: with the gateway's token.
        session: is up while the line is.
        origin_url: where the router is.
        clock: the present.
    """

    def __init__(
        self,
        spool: Spool,
        writer: Writer,
        http: aiohttp.ClientSession,
        session: LineSession,
        *,
        origin_url: str,
        clock: Clock = now_ms,
    ) -> None:
        self._spool = spool
        self._writer = writer
        self._http = http
        self._session = session
        self._url = f"{origin_url.rstrip('/')}/api/v1/log"
        self._clock = clock
        self._etag = ""
        self.seen: LogSeen | None = None
        """As it was at the last look."""

    @property
    def alarm(self) -> LogAlarm:
        """What does not fit, as of the last look."""
        return SILENT if self.seen is None else LogAlarm(self.seen.alarm, self.seen.alarm_at)

    async def run(self) -> None:
        """Look every five minutes while the line is up; never returns."""
        await self._session.up_anew(_FIRST_PAUSE)  # after what waits for the line
        while True:
            await self._session.ready()
            try:
                await self.look()
            except (aiohttp.ClientError, TimeoutError, OSError, SpoolUnavailableError) as error:
                log.debug(Event.LOG_UNSEEN, reason=f"{type(error).__name__}: {error}")
            await self._session.up_anew(EVERY)

    async def look(self) -> None:
        """Look once, and keep what is seen.

        Raises:
            aiohttp.ClientError: the router was not reached.
            SpoolUnavailableError: what is seen cannot be kept.
        """
        self.seen = seen = await asyncio.to_thread(self._read)  # a person may have had it begin anew
        fetched = await self._fetch("" if seen is None else self._etag)
        if fetched is None:
            if seen is not None:
                await self._keep(await self._proved(seen))
            return
        note, told_key = fetched
        try:
            key = NoteKey.parse(seen.key if seen is not None else told_key)
            new = open_checkpoint(note, key).checkpoint
        except ProofError as error:
            await self._not_opened(seen, note, told_key, str(error))
            return
        begun = seen or LogSeen(str(key), root=EMPTY_ROOT, proved_root=EMPTY_ROOT)
        await self._keep(await self._judged(begun, new))

    async def _judged(self, seen: LogSeen, new: Checkpoint) -> LogSeen:
        why = judging.differs(seen, new)
        if why:
            return judging.alarmed(seen, why, self._clock())
        return await self._proved(judging.taken(seen, new))

    async def _proved(self, seen: LogSeen) -> LogSeen:
        """With the proof that its newest goes on from what was proved before, when it is time for it."""
        now = self._clock()
        if now - seen.proved_at < PROVED_EVERY_MS or seen.proved_size == seen.size:
            return seen
        try:
            proof = await self._proof(seen.proved_size, seen.size) if seen.proved_size else []
        except ProofError as error:
            log.warning(Event.LOG_UNSEEN, reason=str(error))
            return seen
        if judging.goes_on(seen, proof):
            return judging.proved(seen, now)
        return judging.alarmed(seen, f"it does not go on from the {seen.proved_size} entries that it had", now)

    async def _not_opened(self, seen: LogSeen | None, note: str, told_key: str, why: str) -> None:
        """Another key's log is an alarm; what is no log at all may be a portal's page, and tells nothing."""
        try:
            open_checkpoint(note, NoteKey.parse(told_key))
        except ProofError:
            log.warning(Event.LOG_UNSEEN, reason=why)
            return
        if seen is not None:
            await self._keep(judging.alarmed(seen, f"it is signed by another key: {told_key}", self._clock()))

    async def _keep(self, seen: LogSeen) -> None:
        if seen.alarm and (self.seen is None or not self.seen.alarm):
            log.error(Event.LOG_ALARM, reason=seen.alarm)
        if seen != self.seen:
            await self._writer.run(log_seen.keep, seen)
        self.seen = seen

    async def _fetch(self, etag: str) -> tuple[str, str] | None:
        """The note and the key that it is said to be of; None: there is nothing new, or a router without a log."""
        headers = {"If-None-Match": etag} if etag else {}
        url = f"{self._url}/checkpoint"
        async with self._http.get(url, headers=headers, allow_redirects=False) as response:
            if response.status in {_NOT_MODIFIED, _NOT_FOUND}:
                return None
            response.raise_for_status()
            note = await read_within(response.content, MAX_NOTE_BYTES) or b""
            self._etag = response.headers.get("ETag", "") if response.status == _OK else ""
            return note.decode(errors="replace"), response.headers.get(HEADER_LOG_KEY, "")

    async def _proof(self, old: int, size: int) -> list[bytes]:
        """What the router gives as proof; may be wrong.

        Raises:
            ProofError: it is none at all, as a portal's page.
        """
        params = {"old": str(old), "size": str(size)}
        async with self._http.get(f"{self._url}/consistency", params=params, allow_redirects=False) as response:
            response.raise_for_status()
            lines = (await read_within(response.content, MAX_NOTE_BYTES) or b"?").split()
        try:
            found = [b64decode(line, validate=True) for line in lines]
        except binascii.Error:
            found = [b""]
        if not all(len(item) == HASH_BYTES for item in found):
            raise ProofError("what came in the place of a proof is none")
        return found

    def _read(self) -> LogSeen | None:
        with self._spool.reading() as conn:
            return log_seen.read(conn)
