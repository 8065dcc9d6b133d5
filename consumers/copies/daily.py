"""Makes the copy in the second place once a day, whichever of gateway and desk runs; one of them at a time."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog

from consumers.copies.directory import SecondPlace, make_copy
from consumers.copies.standing import Place, copies_dir, keep_standing, standing_of
from consumers.errors import CopyError
from consumers.settings import GatewaySettings
from consumers.spool import Spool
from consumers.spool.store import FILE_NAME
from router.storage.lock import alone
from schemas.clock import now_ms
from schemas.events import Event

log = structlog.get_logger()
LOOK_EVERY = 60.0
_LOCK = "directory.lock"


class _ElsewhereError(Exception):
    """Another process makes it now."""


def place_of(settings: GatewaySettings, spool: Spool) -> SecondPlace | None:
    """Where the settings have copies of a spool go; None: nowhere."""
    if settings.backup_dir is None:
        return None
    head = settings.units.removesuffix(".#") or "gateway"
    return SecondPlace(settings.backup_dir, head, spool.id, settings.backups_kept, settings.disk_reserve_bytes)


async def copy_daily(settings: GatewaySettings, spool: Spool, *, every: float = LOOK_EVERY) -> None:
    """Make a copy whenever one is due; never returns."""
    place = place_of(settings, spool)
    while place is not None:
        try:
            await asyncio.to_thread(copy_if_due, settings.data_dir, place)
        except OSError as error:
            log.warning(Event.COPY_FAILED, place=Place.DIRECTORY.value, reason=str(error))
        await asyncio.sleep(every)
    await asyncio.Event().wait()


def copy_if_due(data_dir: Path, place: SecondPlace, *, clock: Callable[[], int] = now_ms) -> None:
    """Make a copy unless one of this day is there or another process is at it; what is in the way is kept and told."""
    if not standing_of(data_dir, Place.DIRECTORY).is_due(clock()):
        return
    try:
        copy_now(data_dir, place, clock=clock, only_if_due=True)
    except _ElsewhereError:
        return
    except CopyError as error:
        log.warning(Event.COPY_FAILED, place=Place.DIRECTORY.value, reason=str(error))


def copy_now(
    data_dir: Path, place: SecondPlace, *, clock: Callable[[], int] = now_ms, only_if_due: bool = False
) -> Path | None:
    """Make a copy; where it is. None: it was made meanwhile.

    Raises:
        CopyError: it could not be made; that is kept too.
    """
    with alone(copies_dir(data_dir) / _LOCK, _elsewhere(quiet=only_if_due)):
        now, before = clock(), standing_of(data_dir, Place.DIRECTORY)
        if only_if_due and not before.is_due(now):
            return None
        try:
            made = make_copy(data_dir / FILE_NAME, place, now)
        except CopyError as error:
            keep_standing(data_dir, Place.DIRECTORY, before.failed(str(error), now))
            raise
        size = made.stat().st_size
        keep_standing(data_dir, Place.DIRECTORY, before.made(str(made), size, now))
        log.info(Event.COPY_MADE, place=Place.DIRECTORY.value, where=str(made), size=size)
        return made


def _elsewhere(*, quiet: bool) -> Callable[[str], Exception]:
    def error(holder: str) -> Exception:
        return _ElsewhereError(holder) if quiet else CopyError(f"process {holder} makes a copy at this moment; wait")

    return error
