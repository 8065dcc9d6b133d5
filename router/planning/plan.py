"""The plan of a dispatch that was made ready and not committed: unit by unit, and what it adds up to."""

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import partial

from sqlalchemy import Connection, Engine

from router.ledger.engine import reading
from router.ledger.way import recalls
from router.ledger.way.acceptance import NewDispatch, paused_units
from router.ledger.way.backlog import Backlog, KnownLine, backlog, holders, lines_of
from router.planning.arrival import ASSUMED_RATES, PendingDocument, ahead_of, arrival
from router.rules.schedule import is_reachable
from router.storage.transactions import in_thread
from schemas.attachment import TravellingAttachment
from schemas.clock import now_ms, to_ms
from schemas.descriptor import Descriptor, full_descriptor
from schemas.dispatch import Lane, lane_of
from schemas.model import parse
from schemas.opening import Windows, is_open, parse_opening
from schemas.unit import Unit

HORIZON = timedelta(days=90)
"""How far a plan looks ahead; by then a delivery has expired (``CONGVAN_EXPIRE_AFTER``)."""


class Remark(StrEnum):
    """What stands behind a unit's time, or in its way."""

    BY_HAND = "by_hand"
    """It has no line: the document never arrives by itself, somebody has to carry it."""
    PAUSED = "paused"
    """Nothing new is sent to it until somebody resumes it."""
    RATE_ASSUMED = "rate_assumed"
    """Its line was never measured; a usual rate of such a line is taken."""
    LINE_DOWN = "line_down"
    """Its line is down; the time is counted as if it came up now."""
    NEVER_HEARD = "never_heard"
    """No gateway of it has ever told of its line."""
    CLOSED_NOW = "closed_now"
    """Outside of its line's hours; the document waits for them."""
    TOO_LATE = "too_late"
    """Not within the days after which a delivery expires."""


@dataclass(frozen=True, slots=True)
class UnitPlan:
    """What a dispatch comes to at one unit.

    Attributes:
        unit: the addressee.
        size: bytes on its line.
        rate: of its line, in bytes/s; 0: nothing goes over it.
        ahead: bytes that come before it.
        arrives_at: UTC milliseconds; None: never by itself, or too late.
        remarks: what stands behind that.
    """

    unit: Unit
    size: int
    rate: int
    ahead: int
    arrives_at: int | None
    remarks: tuple[Remark, ...]

    @property
    def line_seconds(self) -> float:
        """How long it has the line for itself."""
        return self.size / self.rate if self.rate else 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What a dispatch would come to, as of a moment (UTC milliseconds); ``whole``: the backlog was looked at whole."""

    at: int
    units: tuple[UnitPlan, ...]
    descriptor: Descriptor
    whole: bool


@dataclass(frozen=True, slots=True)
class Rollup:
    """Units of one kind of link; seconds from the plan's moment, None when none of them is reached."""

    link: str
    units: int
    never: int
    size: int
    median_seconds: float | None
    longest_seconds: float | None


async def plan_now(engine: Engine, new: NewDispatch, *, timezone: str, more_bytes: int = 0) -> Plan:
    """The plan of this moment, made in a thread; arguments and errors as of :func:`make_plan`."""

    def work(conn: Connection) -> Plan:
        return make_plan(
            conn,
            new,
            now_ms=now_ms(),
            zone=timezone,
            opening_of=lambda unit: parse_opening(unit.opening),
            more_bytes=more_bytes,
        )

    return await in_thread(partial(reading, engine), work)


def make_plan(
    conn: Connection,
    new: NewDispatch,
    *,
    now_ms: int,
    zone: str,
    opening_of: Callable[[Unit], Windows],
    more_bytes: int = 0,
) -> Plan:
    """Look into the ledger and plan.

    Args:
        conn: a reading transaction.
        new: the dispatch, made ready.
        now_ms: when it would be sent.
        zone: of the lines' hours.
        opening_of: the hours of a unit's line.
        more_bytes: of files that are not here yet; they are counted as they are, in no smaller form.

    Raises:
        RefusedError: it is a recall, update or replacement of what it cannot change.
    """
    refusal = recalls.refusal(conn, new.submission, new.called_back, new.rights)
    if refusal is not None:
        raise refusal
    descriptor = _descriptor_of(new)
    codes = [unit.code for unit in new.units]
    waiting, lines, paused = backlog(conn, codes), lines_of(conn, codes), paused_units(conn)
    sizes = _Sizes(conn, new, descriptor, codes)
    now = datetime.fromtimestamp(now_ms / 1000, UTC)
    case = _Case(waiting, lines, paused, now=now, zone=zone, opening_of=opening_of)
    plans = tuple(
        case.plan(unit, PendingDocument(int(new.submission.urgency), sizes.of(unit.code) + more_bytes))
        for unit in new.units
    )
    return Plan(now_ms, plans, descriptor, waiting.whole)


def roll_up(plan: Plan) -> list[Rollup]:
    """The units by link, the slowest links last."""
    by_link: dict[str, list[UnitPlan]] = {}
    for item in plan.units:
        by_link.setdefault(item.unit.link.value, []).append(item)
    found = [_rolled(link, items, plan.at) for link, items in by_link.items()]
    return sorted(found, key=lambda item: (item.longest_seconds is None, item.longest_seconds or 0.0, item.link))


def _descriptor_of(new: NewDispatch) -> Descriptor:
    """The whole of it, with what rides inside."""
    if new.record is not None:
        return full_descriptor(new.id, new.submission, new.forms)
    return parse(Descriptor, new.body, what="descriptor")


def _rolled(link: str, items: Sequence[UnitPlan], at: int) -> Rollup:
    seconds = [(item.arrives_at - at) / 1000 for item in items if item.arrives_at is not None]
    return Rollup(
        link=link,
        units=len(items),
        never=len(items) - len(seconds),
        size=sum(item.size for item in items if item.rate),
        median_seconds=statistics.median(seconds) if seconds else None,
        longest_seconds=max(seconds, default=None),
    )


class _Sizes:
    """What travels to each unit: the message, and of each file the smallest form that the unit can read."""

    def __init__(self, conn: Connection, new: NewDispatch, descriptor: Descriptor, codes: Sequence[str]) -> None:
        files = [file for file in descriptor.attachments if file.inline is None]
        named = {file.dictionary for file in files if file.dictionary is not None}
        self._holders = {sha256: holders(conn, sha256, codes) for sha256 in named}
        self._files = files if new.record is None else [*files, new.record]
        self._message = len(new.body)

    def of(self, code: str) -> int:
        """Bytes for one unit."""
        return self._message + sum(self._smallest(file, code) for file in self._files)

    def _smallest(self, file: TravellingAttachment, code: str) -> int:
        sizes = [file.size] if file.zstd_size is None else [file.size, file.zstd_size]
        if file.dcz_size is not None and code in self._holders.get(file.dictionary or "", ()):
            sizes.append(file.dcz_size)
        return min(sizes)


class _Case:
    """The moment and the lines that a plan is made for."""

    def __init__(
        self,
        waiting: Backlog,
        lines: Mapping[str, KnownLine],
        paused: frozenset[str],
        *,
        now: datetime,
        zone: str,
        opening_of: Callable[[Unit], Windows],
    ) -> None:
        self._waiting, self._lines, self._paused = waiting, lines, paused
        self._now, self._zone, self._opening_of = now, zone, opening_of

    def plan(self, unit: Unit, own: PendingDocument) -> UnitPlan:
        if not is_reachable(unit.link):
            return UnitPlan(unit, own.size, 0, 0, None, (Remark.BY_HAND,))
        if unit.code in self._paused:
            return UnitPlan(unit, own.size, 0, 0, None, (Remark.PAUSED,))
        line = self._lines.get(unit.code)
        measured = line.rate_down if line is not None else None
        rate = measured or ASSUMED_RATES[unit.link]
        pieces = [PendingDocument(item.urgency, item.size) for item in self._waiting.by_unit.get(unit.code, ())]
        windows = self._opening_of(unit)
        arrives = arrival(
            own,
            pieces,
            rate=rate,
            windows=windows,
            zone=self._zone,
            now=self._now,
            until=self._now + HORIZON,
        )
        remarks = tuple(self._remarks(line, windows, own, reached=arrives is not None))
        at = None if arrives is None else to_ms(arrives)
        return UnitPlan(unit, own.size, rate, ahead_of(own, pieces).total, at, remarks)

    def _remarks(
        self, line: KnownLine | None, windows: Windows, own: PendingDocument, *, reached: bool
    ) -> Iterable[Remark]:
        if line is None:
            yield Remark.NEVER_HEARD
        elif not line.is_up:
            yield Remark.LINE_DOWN
        if line is None or not line.rate_down:
            yield Remark.RATE_ASSUMED
        if lane_of(own.urgency) is Lane.NORMAL and not is_open(windows, self._now, self._zone):
            yield Remark.CLOSED_NOW
        if not reached:
            yield Remark.TOO_LATE
