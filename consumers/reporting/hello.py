"""A gateway's hello as it travels: in full at a connection, short while nothing but the line has changed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

from pydantic import BaseModel

from consumers.line.pace import LinePace
from consumers.reporting.reporter import EXCHANGE
from consumers.spool.outages import Down
from consumers.spool.outbox import gateway_version
from router.broker import Outgoing, Template
from router.broker.message import Headers
from schemas.clock import now_ms
from schemas.health import HEADER_HEALTH, HEADER_REPLACED, Health
from schemas.ids import new_id
from schemas.line import Held, LineReport, Outage
from schemas.receipt import TYPE_HELLO, Hello
from schemas.recount import Memory
from schemas.zone import zone


@dataclass(frozen=True, slots=True)
class LineWords:
    """What is said of the line and what comes over it; ``downs`` are the spool's outages that it reports."""

    report: LineReport
    downs: tuple[Down, ...] = ()
    held: tuple[Held, ...] = ()


def line_words(pace: LinePace, interval: float, downs: Sequence[Down], held: Sequence[Held]) -> LineWords:
    """The report of a line: what it gives, when it was down, and how far documents have come."""
    report = LineReport(
        every=round(interval) or 1,
        rate_down=round(pace.rate) or None,
        rate_up=round(pace.rate_up) or None,
        outages=tuple(Outage(down_at=_moment(item.down_at), up_at=_moment(item.up_at)) for item in downs),
    )
    return LineWords(report, tuple(downs), tuple(held))


def full_hello(
    head: str,
    units: Sequence[str],
    spool_id: str,
    given: Sequence[int],
    words: LineWords,
    *,
    health: Health | None = None,
    replaces: str = "",
    memory: Memory | None = None,
) -> Outgoing:
    """The hello of a connection.

    Args:
        head: the unit, or the head of the subtree, that the gateway hosts.
        units: the codes hosted now.
        spool_id: of the gateway's spool.
        given: the last receipt number of each unit.
        words: how the line stands.
        health: how the gateway stands.
        replaces: the spool that lay in the place of this one before; empty: none.
        memory: what the spool holds.
    """
    hello = Hello(
        units=tuple(units),
        spool_id=spool_id,
        at=datetime.now(zone()),
        gateway_version=gateway_version(),
        receipts=tuple(given) if any(given) else (),
        line=words.report,
        held=words.held,
    )
    before = {HEADER_REPLACED: replaces} if replaces else {}
    return message(f"{head}.hello", TYPE_HELLO, hello, _beside(health) | before | _remembered(memory, units))


def short_hello(
    head: str,
    unit: str,
    spool_id: str,
    words: LineWords,
    *,
    health: Health | None = None,
    memory: Memory | None = None,
) -> Outgoing:
    """The hello of an interval: one unit stands for all of the spool's; ``health`` when it has changed."""
    at, line = _moment(now_ms()), words.report
    hello = Hello(units=(unit,), spool_id=spool_id, at=at, line=line, again=True, held=words.held)
    return message(f"{head}.hello", TYPE_HELLO, hello, _beside(health) | _remembered(memory, [unit]))


def _beside(health: Health | None) -> dict[str, str | int]:
    """What goes into the headers, so that a router that does not know it reads the hello all the same."""
    return {} if health is None else {HEADER_HEALTH: health.encode()}


def _remembered(memory: Memory | None, units: Sequence[str]) -> dict[str, str | int]:
    return {} if memory is None else memory.headers(units)


def message(key: str, kind: str, body: BaseModel, headers: Headers = MappingProxyType({})) -> Outgoing:
    """A message to the router, without the fields that say nothing."""
    encoded = body.model_dump_json(exclude_defaults=True).encode()
    return Outgoing(Template(EXCHANGE, kind, encoded), key, new_id(), headers)


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
