"""The parts that bring the copy to the router, made and connected to each other; nothing runs yet."""

from collections.abc import Callable, Sequence

from consumers.copies.handover import CopyHandover
from consumers.copies.upward import CopyCourier
from consumers.fetching.origin import Clients
from consumers.line.openings import Openings
from consumers.line.pace import LinePace
from consumers.line.precedence import Side
from consumers.line.state import Line
from consumers.sending.assembly import upward_traffic
from consumers.sending.upload import Sources
from consumers.settings import GatewaySettings
from consumers.spool import Spool


def assemble_copies(
    settings: GatewaySettings,
    spool: Spool,
    clients: Clients,
    *,
    line: Line,
    pace: LinePace,
    side: Side,
    openings: Openings,
    units: Callable[[], Sequence[str]],
    rests: Callable[[], bool],
) -> CopyCourier:
    """Make the parts.

    Args:
        settings: the gateway's.
        spool: whose books are copied.
        clients: for the router.
        line: shared with all that moves.
        pace: what it gives upward.
        side: of that line.
        openings: its hours: while they are closed only what is urgent moves.
        units: the codes hosted now.
        rests: whether another gateway works for them.
    """
    sources = Sources()
    traffic = upward_traffic(
        settings,
        clients,
        sources,
        line,
        pace,
        side=side,
        slots=lambda: 1,
        lets=lambda unit, urgency: not openings.closed and courier.lets(unit, urgency),
        on_wait=lambda _: traffic.reorder(),
    )
    openings.on_change.append(traffic.reorder)
    handover = CopyHandover(clients, settings.origin_url, line, pace, patience=settings.no_progress_timeout)
    courier = CopyCourier(spool, sources=sources, traffic=traffic, handover=handover, units=units, rests=rests)
    return courier
