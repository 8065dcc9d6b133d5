"""A check's answer, and how a check that goes wrong becomes one."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from deploy.exits import ExitCode, ending_of
from router.settings import RouterSettings


class Verdict(StrEnum):
    """How a check ended."""

    OK = "ok"
    NOTE = "note"
    """Worth knowing, and nothing is wrong."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a check found: how it is, in a sentence, and what to do."""

    verdict: Verdict
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
    answer: Answer


Check = Callable[[RouterSettings], Awaitable[Answer]]


def ok(detail: str) -> Answer:
    """All is as it should be."""
    return Answer(Verdict.OK, detail)


def note(detail: str, hint: str = "") -> Answer:
    """Worth knowing."""
    return Answer(Verdict.NOTE, detail, hint)


def failed(detail: str, hint: str = "", code: ExitCode = ExitCode.FAILED) -> Answer:
    """Something is wrong."""
    return Answer(Verdict.FAILED, detail, hint, code)


async def run(name: str, check: Check, settings: RouterSettings) -> Finding:
    """Run a check; whatever goes wrong in it is its finding."""
    try:
        return Finding(name, await check(settings))
    except Exception as error:  # noqa: BLE001 - a doctor reports what it meets
        ending = ending_of(error)
        return Finding(name, failed(ending.message, ending.hint, ending.code))
