"""What the gateway says of itself in its hellos: whom the sink fails, its disk, its line, certificates."""

from collections.abc import Sequence

from consumers.line.state import TROUBLE_SECONDS, Line
from consumers.sinks.circuits import SinkTrouble
from consumers.sinks.reason import one_line
from consumers.taking.room import Room
from router.tls.contexts import TlsStanding
from schemas.health import MAX_TROUBLES, MAX_UNITS, MAX_WHY, Health, Trouble
from schemas.reasons import ReasonCode


def health_of(
    sink: Sequence[SinkTrouble], room: Room, line: Line, *, now_ms: int, tls: Sequence[TlsStanding] = ()
) -> Health:
    """How the gateway stands: the units of one code are one trouble, told in the words of the oldest."""
    groups: dict[ReasonCode, list[SinkTrouble]] = {}
    for item in sorted(sink, key=lambda item: item.since):
        groups.setdefault(item.code, []).append(item)
    troubles = [_trouble(code, some, now_ms) for code, some in groups.items()]
    if room.reason:
        code = ReasonCode.DISK_FULL if room.free() < 0 else ReasonCode.SPOOL_UNAVAILABLE
        full = Trouble(code=code, seconds=_age(room.since, now_ms), why=one_line(room.reason, MAX_WHY))
        troubles.insert(0, full)
    if line.stalled_since and now_ms - line.stalled_since >= TROUBLE_SECONDS * 1000:
        seconds, why = _age(line.stalled_since, now_ms), one_line(line.reason, MAX_WHY)
        troubles.insert(0, Trouble(code=ReasonCode.LINE_STALLED, seconds=seconds, why=why))
    troubles[:0] = [
        Trouble(code=item.code, seconds=_age(item.since, now_ms), why=one_line(f"{item.to}: {item.reason}", MAX_WHY))
        for item in tls
    ]
    return Health(troubles=tuple(troubles[:MAX_TROUBLES]), disk_free=max(room.free(), 0))


def alike(one: Health, other: Health | None) -> bool:
    """Whether both say the same, apart from how long it lasts and how much room there is."""
    return other is not None and _essence(one) == _essence(other)


def _essence(health: Health) -> list[tuple[str, tuple[str, ...]]]:
    return [(item.code, item.units) for item in health.troubles]


def _trouble(code: ReasonCode, items: Sequence[SinkTrouble], now_ms: int) -> Trouble:
    oldest = items[0]
    return Trouble(
        code=code.value,
        units=tuple(item.unit for item in items[:MAX_UNITS]),
        seconds=_age(oldest.since, now_ms),
        why=one_line(oldest.reason, MAX_WHY),
    )


def _age(since: int, now_ms: int) -> int:
    return min(max(now_ms - since, 0) // 1000, 10 * 366 * 86_400)
