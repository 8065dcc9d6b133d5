"""The parts that bring the copy to the router, made and connected to each other; nothing runs yet."""

from collections.abc import Callable, Sequence

from consumers.copies.handover import CopyHandover
from consumers.copies.upward import CopyCourier
from consumers.fetching.fetch import FetchPolicy, Transfer
from consumers.fetching.origin import Clients
from consumers.fetching.traffic import Traffic
from consumers.line.openings import Openings
from consumers.line.pace import LinePace
from consumers.line.precedence import Side
from consumers.line.state import Line
from consumers.sending.upload import Sources, Uploader
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
    patience = settings.no_progress_timeout

    def on_progress(transfer: Transfer, count: int) -> None:
        traffic.progressed(transfer, count)

    def on_wait(_transfer: Transfer) -> None:
        traffic.reorder()

    def lets(unit: str, urgency: int) -> bool:
        return not openings.closed and courier.lets(unit, urgency)

    uploader = Uploader(
        clients,
        settings.origin_url,
        sources,
        line,
        pace,
        patience=patience,
        policy=FetchPolicy(),
        on_progress=on_progress,
        on_wait=on_wait,
    )
    traffic = Traffic(uploader.upload, slots=lambda: 1, side=side, lets=lets)
    openings.on_change.append(traffic.reorder)
    handover = CopyHandover(clients, settings.origin_url, line, pace, patience=patience)
    courier = CopyCourier(spool, sources=sources, traffic=traffic, handover=handover, units=units, rests=rests)
    return courier
