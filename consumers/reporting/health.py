"""What the gateway says of itself in its hellos: whom the sink fails, its disk, its line, certificates."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from consumers.line.state import TROUBLE_SECONDS, Line
from consumers.sinks.circuits import SinkTrouble
from consumers.sinks.reason import one_line
from consumers.spool.log_seen import SILENT, LogAlarm
from consumers.taking.room import Room
from router.tls.contexts import TlsStanding
from schemas.health import MAX_TROUBLES, MAX_UNITS, MAX_WHY, CertificateDays, Health, Trouble
from schemas.reasons import ReasonCode

_DAY_MS = 86_400_000
_MONTH = 30
_MOST_DAYS = 100_000


def health_of(
    sink: Sequence[SinkTrouble],
    room: Room,
    line: Line,
    *,
    now_ms: int,
    ends: Mapping[str, int] = MappingProxyType({}),
    alarm: LogAlarm = SILENT,
    tls: Sequence[TlsStanding] = (),
) -> Health:
    """How the gateway stands: the units of one code are one trouble, told in the words of the oldest.

    Args:
        sink: whom it fails.
        room: of the disk.
        line: its own.
        now_ms: the present, UTC ms.
        ends: when each certificate ends, UTC ms.
        alarm: about the centre's log.
        tls: certificates that stand in the way.
    """
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
    if alarm.why:
        why = one_line(alarm.why, MAX_WHY)
        troubles.insert(0, Trouble(code=ReasonCode.LOG_DIFFERS, seconds=_age(alarm.at, now_ms), why=why))
    return Health(
        troubles=tuple(troubles[:MAX_TROUBLES]), disk_free=max(room.free(), 0), certificates=days_of(ends, now_ms)
    )


def alike(one: Health, other: Health | None) -> bool:
    """Whether both say the same, apart from how long it lasts and how much room there is."""
    return other is not None and _essence(one) == _essence(other)


def days_of(ends: Mapping[str, int], now_ms: int) -> tuple[CertificateDays, ...]:
    """How many days certificates have left."""
    left = ((which, (end - now_ms) // _DAY_MS) for which, end in ends.items())
    return tuple(CertificateDays(which=which, days=min(max(days, -_MOST_DAYS), _MOST_DAYS)) for which, days in left)


def _essence(health: Health) -> tuple[object, ...]:
    troubles = [(item.code, item.units) for item in health.troubles]
    return troubles, [(item.which, _coarse(item.days)) for item in health.certificates]


def _coarse(days: int) -> int:
    """As long as there is much time, only its weeks are worth bytes of the line."""
    return days if days < _MONTH else _MONTH + days // 7


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
