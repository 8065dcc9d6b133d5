"""The parts that send, made and connected to each other; nothing runs yet."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from consumers.fetching.content import DIRECTORY_NAME
from consumers.fetching.fetch import FetchPolicy, Transfer
from consumers.fetching.origin import Clients
from consumers.fetching.traffic import Traffic
from consumers.line.openings import Openings
from consumers.line.pace import LinePace
from consumers.line.precedence import Side
from consumers.line.state import Line
from consumers.sending.courier import UpwardCourier
from consumers.sending.document import DocumentRules
from consumers.sending.folder import OutboxFolder
from consumers.sending.submit import Submitter
from consumers.sending.upload import Sources, Uploader
from consumers.sending.watch import OutboxWatch
from consumers.settings import GatewaySettings
from consumers.spool import Spool, Writer, sending
from consumers.spool.sending import Sent
from schemas.codes import covers


@dataclass(frozen=True, slots=True)
class Upward:
    """What sends."""

    watch: OutboxWatch
    courier: UpwardCourier
    pace: LinePace

    async def run(self) -> None:
        """Take and send until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.watch.run(), name="outbox")
            group.create_task(self.courier.run(), name="upward")
            group.create_task(self.courier.run_notes(), name="upward notes")


def outbox_of(settings: GatewaySettings) -> Path:
    """Where people put what the unit sends."""
    return settings.outbox_dir or settings.data_dir / "outbox"


def rules_of(settings: GatewaySettings) -> DocumentRules:
    """The rules for what this gateway sends: for the units that it hosts."""
    return DocumentRules(
        issuer="" if settings.units.endswith(".#") else settings.units,
        hosts=lambda code: covers(settings.units, code),
        max_bytes=settings.max_document_bytes,
    )


def upward_traffic(
    settings: GatewaySettings,
    clients: Clients,
    sources: Sources,
    line: Line,
    pace: LinePace,
    *,
    side: Side,
    slots: Callable[[], int],
    lets: Callable[[str, int], bool],
    on_wait: Callable[[Transfer], None],
) -> Traffic:
    """Uploads in the order of the traffic that they are.

    Args:
        settings: the gateway's.
        clients: for the router.
        sources: where the files are.
        line: shared with all that moves.
        pace: what it gives upward.
        side: of that line.
        slots: how many uploads there may be at once.
        lets: whether one of a unit and urgency may begin now.
        on_wait: told that one waits, and why.
    """

    def on_progress(transfer: Transfer, count: int) -> None:
        traffic.progressed(transfer, count)

    uploader = Uploader(
        clients,
        settings.origin_url,
        sources,
        line,
        pace,
        patience=settings.no_progress_timeout,
        policy=FetchPolicy(),
        on_progress=on_progress,
        on_wait=on_wait,
    )
    traffic = Traffic(uploader.upload, slots=slots, side=side, lets=lets)
    return traffic


def assemble_upward(
    settings: GatewaySettings,
    spool: Spool,
    writer: Writer,
    clients: Clients,
    *,
    line: Line,
    side: Side,
    openings: Openings,
    accept: Callable[[Connection, Sequence[Sent]], list[None]] = sending.accept,
) -> Upward:
    """Make the parts.

    Args:
        settings: the gateway's.
        spool: what was taken and what became of it.
        writer: of that spool.
        clients: for the router.
        line: shared with what comes down.
        side: the upward side of that line.
        openings: the hours of the line.
        accept: notes what was accepted, see :class:`consumers.sending.courier.UpwardCourier`.

    Raises:
        OSError: the outbox cannot be made.
    """
    folder = OutboxFolder(outbox_of(settings))
    contents = settings.data_dir / DIRECTORY_NAME
    contents.mkdir(mode=0o700, exist_ok=True)
    sources = Sources()
    pace = LinePace(fixed_window=settings.receive_window)

    def on_wait(transfer: Transfer) -> None:
        courier.waits(transfer)

    traffic = upward_traffic(
        settings,
        clients,
        sources,
        line,
        pace,
        side=side,
        slots=lambda: settings.parallel_fetches if pace.fast else 1,
        lets=openings.lets,
        on_wait=on_wait,
    )
    openings.on_change.append(traffic.reorder)
    patience, policy = settings.no_progress_timeout, FetchPolicy()
    submitter = Submitter(clients, settings.origin_url, line, pace, patience=patience, policy=policy)
    courier = UpwardCourier(
        spool,
        writer,
        folder,
        contents=contents,
        sources=sources,
        traffic=traffic,
        submitter=submitter,
        accept=accept,
    )
    watch = OutboxWatch(spool, writer, folder, rules_of(settings), on_taken=courier.wake)
    return Upward(watch, courier, pace)
