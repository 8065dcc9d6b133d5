"""Checks of this machine: Python and its libraries, the disk, the content store."""

import asyncio
import os
import re
import sys
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from deploy.doctor.findings import CheckAnswer, failed, note, ok, room
from router.settings import RouterSettings
from schemas.ids import new_id

_OLDEST = (3, 11)
_PACKAGE = re.compile(r"^[A-Za-z0-9._-]+")


async def python(_settings: RouterSettings) -> CheckAnswer:
    """The interpreter and every library that is needed."""
    needed = [match[0] for line in requires("congvan") or () if (match := _PACKAGE.match(line))]
    missing = [name for name in needed if not _installed(name)]
    found = f"Python {sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    if missing or sys.version_info < _OLDEST:
        return failed(f"{found}, missing libraries: {', '.join(missing) or 'none'}", "install congvan anew")
    return ok(f"{found}, {len(needed)} libraries")


async def disk(settings: RouterSettings) -> CheckAnswer:
    """Free space where the data lies."""
    return room(settings.data_dir, settings.content_reserve_bytes, "no attachment is accepted")


async def content_store(settings: RouterSettings) -> CheckAnswer:
    """Whether the content store takes a file durably."""
    root = settings.data_dir / "content"
    if not root.exists():
        return note(f"{root} is not there yet", "the router makes it at its first start")
    return await asyncio.to_thread(_write_probe, root / "incoming")


def _write_probe(directory: Path) -> CheckAnswer:
    probe = directory / f"doctor-{new_id()}"
    try:
        with probe.open("wb") as file:
            file.write(b"doctor")
            file.flush()
            os.fsync(file.fileno())
    finally:
        probe.unlink(missing_ok=True)
    return ok(f"{directory.parent} can be written")


def _installed(name: str) -> bool:
    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
