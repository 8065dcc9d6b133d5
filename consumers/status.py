"""How the gateway stands, for people and probes: a small JSON file, replaced every few seconds."""

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson
import structlog
from sqlalchemy import func, select, text

from consumers.errors import SpoolUnavailableError
from consumers.spool import Spool, gaps, outbox, sending
from consumers.spool.models import inbox
from consumers.spool.outbox import gateway_version
from consumers.spool.store import STATUS_NAME
from router.tls.contexts import TlsStanding
from schemas.clock import iso, now_ms
from schemas.events import Event

log = structlog.get_logger()
FILE_NAME = STATUS_NAME
EVERY = 5.0


@dataclass(frozen=True, slots=True)
class GatewayState:
    """What the running parts say of themselves; the line's rates in bytes/s, 0 while never measured.

    ``line_reason`` is why the line is not up; empty while it is. ``opening`` is the line's hours and whether it is open
    now, in words; empty when it is always open. ``sink`` is ``working`` or ``failing``; then ``sink_…`` say why, for
    which units. ``taking`` is ``on`` or ``paused``. ``held_elsewhere`` are units for which another gateway works, so
    that this one stands by. ``log_alarm`` says how the centre's log differs from the one that was seen before.
    ``tls`` tells, for broker and router, which certificate stands in the way and what to do.
    """

    units: int
    line: str
    opening: str
    line_rate: int
    line_rate_up: int
    broker: str
    sink: str
    sink_reason: str
    sink_code: str = ""
    sink_units: tuple[str, ...] = ()
    taking: str = "on"
    taking_reason: str = ""
    held_elsewhere: tuple[str, ...] = ()
    line_reason: str = ""
    log_alarm: str = ""
    certificates: Mapping[str, int] = field(default_factory=dict)
    """Days that the gateway's own certificate (``client``) and those of ``broker`` and ``origin`` have left."""
    tls: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Backlog:
    """What the spool holds that is not done; ``oldest_waiting`` is RFC 3339 or empty; ``outgoing`` is to go up."""

    waiting: int
    oldest_waiting: str
    parked: int
    receipts_unsent: int
    numbers_missing: int
    outgoing: int = 0
    outgoing_bytes: int = 0


_WAITING = select(func.count(), func.min(inbox.c.taken_at)).where(text("inbox.state = 'taken'"))
_PARKED = select(func.count()).select_from(inbox).where(text("inbox.state = 'parked'"))


def backlog(spool: Spool) -> Backlog:
    """Count what is not done.

    Raises:
        SpoolUnavailableError: the spool cannot be read now.
    """
    with spool.reading() as conn:
        waiting, oldest = conn.execute(_WAITING).one()
        going_up = sending.count_waiting(conn)
        return Backlog(
            waiting=waiting,
            oldest_waiting=iso(oldest) if oldest else "",
            parked=conn.scalar(_PARKED) or 0,
            receipts_unsent=outbox.count_unsent(conn),
            numbers_missing=gaps.count(conn),
            outgoing=going_up.documents,
            outgoing_bytes=going_up.bytes,
        )


async def keep_status(spool: Spool, standing: Callable[[], GatewayState]) -> None:
    """Write the status file every few seconds; never returns."""
    while True:
        try:
            await asyncio.to_thread(write_status, spool, standing())
        except (OSError, SpoolUnavailableError) as error:
            log.warning(Event.STATUS_NOT_WRITTEN, reason=str(error))
        await asyncio.sleep(EVERY)


def write_status(spool: Spool, standing: GatewayState) -> None:
    """Replace the status file; a reader sees the old one or the new one."""
    content = {
        "at": iso(now_ms()),
        "pid": os.getpid(),
        "version": gateway_version(),
        "spool_id": spool.id,
        **asdict(standing),
        **asdict(backlog(spool)),
    }
    path = status_path(spool.path.parent)
    new = path.with_suffix(".new")
    new.write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
    new.replace(path)


def told(standing: Iterable[TlsStanding]) -> tuple[Mapping[str, str], ...]:
    """What stands in the way of connections, as the status file has it."""
    return tuple({**asdict(item), "code": item.code.value, "since": iso(item.since)} for item in standing)


def last_rate(data_dir: Path) -> float:
    """The line's rate (bytes/s) as the gateway knew it last, or 0."""
    try:
        return float(orjson.loads(status_path(data_dir).read_bytes())["line_rate"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


def status_path(data_dir: Path) -> Path:
    """Where the status file of a data directory is."""
    return data_dir / FILE_NAME
