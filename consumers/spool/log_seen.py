"""What this gateway has seen of the centre's log: kept, so that the centre cannot show it another one later."""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import orjson
from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects.sqlite import insert

from consumers.spool.models import meta

_KEY = "log_seen"


class LogAlarm(NamedTuple):
    """What does not fit of the centre's log, since when (UTC ms); empty: nothing."""

    why: str
    at: int


SILENT = LogAlarm("", 0)


@dataclass(frozen=True, slots=True)
class LogSeen:
    """The log's key; the newest checkpoint that was taken as good, and the last that was proved to go on from before.

    ``alarm`` says what does not fit, since when (UTC ms); empty: nothing. Roots are 32 bytes, sizes entries.
    """

    key: str
    size: int = 0
    root: bytes = b""
    proved_size: int = 0
    proved_root: bytes = b""
    proved_at: int = 0
    alarm: str = ""
    alarm_at: int = 0


def read(conn: Connection) -> LogSeen | None:
    """What was seen; None: nothing yet."""
    found = conn.scalar(select(meta.c.value).where(meta.c.key == _KEY))
    if found is None:
        return None
    told = orjson.loads(found)
    roots = {name: b64decode(told[name]) for name in ("root", "proved_root")}
    return LogSeen(**(told | roots))


def keep(conn: Connection, news: Sequence[LogSeen]) -> list[None]:
    """Keep what is seen now."""
    seen = news[-1]
    told = {name: getattr(seen, name) for name in LogSeen.__slots__}
    told |= {name: b64encode(told[name]).decode() for name in ("root", "proved_root")}
    new = insert(meta).values(key=_KEY, value=orjson.dumps(told).decode())
    conn.execute(new.on_conflict_do_update(index_elements=["key"], set_={"value": new.excluded.value}))
    return [None] * len(news)


def forget(conn: Connection) -> None:
    """Begin anew with what the centre shows next."""
    conn.execute(delete(meta).where(meta.c.key == _KEY))
