"""Everything that is known of one unit: its line and gateway, what is on its way to it, its latest receipts."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from router.ledger.people import accounts
from router.ledger.people.accounts import AccountRow
from router.ledger.queries.deliveries import DeliveryRow
from router.ledger.queries.delivery_log import LogEntry, read_log
from router.ledger.queries.filters import Filter, Flag
from router.ledger.queries.finding import find_deliveries
from router.ledger.queries.line_board import Band, Span, bands
from router.ledger.queries.lines import Downtime, LineRow, OutageRow, downtimes, find_line, outages
from router.ledger.queries.organisation import UnitRow, add_loads, children, find_unit, not_registered
from router.ledger.scope import Scope
from router.ledger.units import copies, gateways
from router.ledger.units.copies import CopyChain
from router.ledger.units.gateways import SpoolRow, TroubleRow

_SHOWN = 25


@dataclass(frozen=True, slots=True)
class UnitSheet:
    """A unit; times are UTC ms. ``waiting`` and ``entries`` are the first and the latest few.

    ``waiting`` is what is undelivered, parked ones too: when it is empty the unit has everything.
    """

    unit: UnitRow
    waiting: Sequence[DeliveryRow]
    entries: Sequence[LogEntry]
    below: Sequence[UnitRow]
    not_registered: int
    not_registered_since: int | None
    account: AccountRow | None
    trouble: TroubleRow | None
    """Why its gateway cannot hand documents over; None: it can, or never said."""
    gateways: Sequence[SpoolRow]
    """The gateway that works for it, then those that stand by because it does."""
    copy: CopyChain | None = None
    """The newest copy of its books that a gateway left here; nobody here can read it."""


@dataclass(frozen=True, slots=True)
class LineSheet:
    """A unit's line within a span."""

    line: LineRow
    downtime: Downtime
    bands: Sequence[Band]
    outages: Sequence[OutageRow]
    observed_ms: int


def unit_sheet(conn: Connection, scope: Scope, code: str, *, now_ms: int, today: int) -> UnitSheet | None:
    """The sheet of a unit; None when there is none that the scope covers.

    Args:
        conn: a transaction.
        scope: what the caller sees.
        code: the unit's.
        now_ms: the present, UTC ms.
        today: when the day began, UTC ms.
    """
    unit = find_unit(conn, scope, code)
    if unit is None:
        return None
    undelivered = Filter(units=(code,), flags=frozenset({Flag.UNDELIVERED}))
    waiting = find_deliveries(conn, scope, undelivered, now_ms=now_ms, limit=_SHOWN)
    count, oldest = not_registered(conn, scope, code)
    below, of_gateways = children(conn, scope, code), accounts.gateways_of(conn, code)
    add_loads(conn, scope, [unit, *below], since=today)
    return UnitSheet(
        unit=unit,
        waiting=sorted(waiting, key=lambda row: (-row.urgency, row.id)),
        entries=read_log(conn, scope, Filter(units=(code,)), limit=_SHOWN)[::-1],
        below=below,
        not_registered=count,
        not_registered_since=oldest,
        account=next(iter(of_gateways), None),
        trouble=gateways.trouble_of(conn, code),
        gateways=gateways.spools_of(conn, code, now_ms=now_ms),
        copy=copies.newest_of(conn, [row.name for row in of_gateways]),
    )


def line_sheet(conn: Connection, scope: Scope, code: str, span: Span) -> LineSheet | None:
    """A unit's line within a span; None when its gateway never said how it stands."""
    line = find_line(conn, scope, code)
    if line is None:
        return None
    since, until = span.since, span.until
    downs = downtimes(conn, scope, since=since, until=until, now_ms=span.now, units=code)
    return LineSheet(
        line=line,
        downtime=downs.get(code, Downtime()),
        bands=bands(conn, scope, span, [code]).get(code, ()),
        outages=outages(conn, scope, since=since, until=until, units=code, limit=_SHOWN),
        observed_ms=span.observed(line),
    )
