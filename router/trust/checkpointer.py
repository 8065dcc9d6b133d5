"""Signs how long the log is and the root over its entries, whenever it has grown."""

from collections.abc import Sequence

import structlog
from nacl.signing import SigningKey
from sqlalchemy import Connection, Engine

from router.ledger.engine import reading
from router.ledger.log import checkpoints, tree
from router.ledger.log.checkpoints import KeptCheckpoint
from router.ledger.writer import Writer
from router.storage.transactions import in_thread
from router.tls.contexts import ClientContext
from router.trust.cosigning import Cosigning, WitnessAddress
from router.trust.log_key import name_of
from schemas.clock import Clock, now_ms
from schemas.events import Event
from schemas.trust.checkpoints import Checkpoint, signed_checkpoint

log = structlog.get_logger()


class Checkpointer:
    """Makes checkpoints of one log; with another key than the log's it makes none and says so once.

    Args:
        engine: the ledger's.
        writer: its group commit.
        key: of this router.
        witnesses: who is asked to sign, too.
        tls: whom to trust on the way to them; None: whom the system trusts.
        clock: the present.
    """

    def __init__(
        self,
        engine: Engine,
        writer: Writer,
        key: SigningKey,
        witnesses: Sequence[WitnessAddress] = (),
        *,
        tls: ClientContext | None = None,
        clock: Clock = now_ms,
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._key = key
        self._cosigning = Cosigning(engine, writer, witnesses, tls or ClientContext(to="witness"))
        self._name = name_of(key)
        self._clock = clock
        self._told = False

    async def look(self) -> None:
        """Sign what there is now, if it is more than at the last time."""
        if not await in_thread(lambda: reading(self._engine), _has_grown):
            return
        signs = await self._writer.run(_name_key, str(self._name))
        if signs != str(self._name):
            if not self._told:
                log.error(Event.LOG_KEY_DIFFERS, log_key=signs, own_key=str(self._name))
            self._told = True
            return
        while await self._writer.run(_seal, None, weight=tree.TILE):
            pass
        made = await in_thread(lambda: reading(self._engine), self._next)
        await self._writer.run(_add, made)
        log.debug(Event.LOG_SIGNED, size=made.size, witness="")
        await self._cosigning.ask(made)

    def _next(self, conn: Connection) -> KeptCheckpoint:
        size = tree.size_of(conn)
        note = signed_checkpoint(Checkpoint(self._name.name, size, tree.root(conn, size)), self._key)
        return KeptCheckpoint(size, self._clock(), note)


def _has_grown(conn: Connection) -> bool:
    last = checkpoints.newest(conn)
    return tree.size_of(conn) != (last.size if last is not None else 0)


def _name_key(conn: Connection, keys: Sequence[str]) -> list[str]:
    return [checkpoints.name_key(conn, key) for key in keys]


def _seal(conn: Connection, wishes: Sequence[None]) -> list[bool]:
    return [tree.seal(conn) for _ in wishes]


def _add(conn: Connection, made: Sequence[KeptCheckpoint]) -> list[None]:
    for item in made:
        checkpoints.add(conn, item)
    return [None] * len(made)
