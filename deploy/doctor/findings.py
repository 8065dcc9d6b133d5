"""A check's answer, and how a check that goes wrong becomes one."""

import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from deploy.exits import ExitCode, ending_of
from router.tls.troubles import trouble_of

S = TypeVar("S")
_COMFORTABLE_RESERVES = 4


class CheckOutcome(StrEnum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing, and nothing is wrong."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """What a check found: how it is, in a sentence, and what to do."""

    verdict: CheckOutcome
    detail: str
    hint: str = ""
    code: ExitCode = ExitCode.FAILED
    """What the command ends with when this failed."""

    def shown(self) -> dict[str, str]:
        """The part that is shown."""
        return {"verdict": self.verdict.value, "detail": self.detail, "hint": self.hint}


@dataclass(frozen=True, slots=True)
class Finding:
    """An answer with the name of its check."""

    check: str
    answer: CheckAnswer


Check = Callable[[S], Awaitable[CheckAnswer]]


def ok(detail: str) -> CheckAnswer:
    """All is as it should be."""
    return CheckAnswer(CheckOutcome.OK, detail)


def note(detail: str, hint: str = "") -> CheckAnswer:
    """Worth knowing."""
    return CheckAnswer(CheckOutcome.NOTE, detail, hint)


def failed(detail: str, hint: str = "", code: ExitCode = ExitCode.FAILED) -> CheckAnswer:
    """Something is wrong."""
    return CheckAnswer(CheckOutcome.FAILED, detail, hint, code)


async def run(name: str, check: Check[S], settings: S) -> Finding:
    """Run a check; whatever goes wrong in it is its finding."""
    try:
        return Finding(name, await check(settings))
    except Exception as error:  # noqa: BLE001 - a doctor reports what it meets
        trouble = trouble_of(error)
        if trouble is not None:
            return Finding(name, failed(f"{trouble.text} ({trouble.code.value})", trouble.advice, ExitCode.UNAVAILABLE))
        ending = ending_of(error)
        return Finding(name, failed(ending.message, ending.hint, ending.code))


def room(directory: Path, reserve: int, consequence: str) -> CheckAnswer:
    """How much is free on the disk of a directory, which need not be there yet.

    Args:
        directory: where data lies.
        reserve: bytes that are never used.
        consequence: what happens below the reserve.
    """
    place = nearest_existing(directory)
    free = shutil.disk_usage(place).free
    told = f"{free / 1024**2:,.0f} MiB free at {place}"
    if free <= reserve:
        return failed(f"{told}: below the reserve, {consequence}", "free space")
    return note(told, "free space soon") if free < reserve * _COMFORTABLE_RESERVES else ok(told)


def nearest_existing(path: Path) -> Path:
    """A path itself, or the nearest folder above it that is there."""
    return next(place for place in (path, *path.absolute().parents) if place.exists())
