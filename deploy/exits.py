"""How a command ends: the documented exit codes, and which error ends with which.

Errors are told apart by their class's name and attributes rather than by importing their packages, so a command that
fails early has not paid for the imports of the others.
"""

import sys
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit code says."""

    OK = 0
    """It is done."""
    FAILED = 1
    """It went wrong in a way that none of the others names."""
    USAGE = 2
    """Wrong arguments, settings or input; nothing was tried."""
    NOT_FOUND = 3
    """What was asked for is not there."""
    REFUSED = 4
    """It is understood and not allowed: by the state, by the token, by a rule."""
    UNAVAILABLE = 5
    """Something needed is not there now (broker, ledger, web API, disk); the same again later may work."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How an error is reported: the exit code, one line, and what to do."""

    code: ExitCode
    message: str
    hint: str = ""


_NOT_FOUND, _SERVER_ERROR, _TOO_MANY = 404, 500, 429
_BY_CLASS: dict[str, tuple[ExitCode, str]] = {
    "SchemaError": (ExitCode.USAGE, ""),
    "ValidationError": (ExitCode.USAGE, "`congvan config show` lists the settings with their units"),
    "TOMLDecodeError": (ExitCode.USAGE, "CONGVAN_CONFIG has to name a TOML file"),
    "TransitionError": (ExitCode.REFUSED, ""),
    "BrokerError": (ExitCode.UNAVAILABLE, "`congvan doctor` checks the broker"),
    "OperationalError": (ExitCode.UNAVAILABLE, "`congvan doctor` checks the ledger"),
    "ClientConnectionError": (ExitCode.UNAVAILABLE, "is the router running? see CONGVAN_API_URL"),
    "ModuleNotFoundError": (
        ExitCode.USAGE,
        "what is no gateway needs the libraries of `congvan[router]`, a desk those of `congvan[desk]`",
    ),
    "FileNotFoundError": (ExitCode.NOT_FOUND, ""),
    "ConnectionError": (ExitCode.UNAVAILABLE, ""),
    "TimeoutError": (ExitCode.UNAVAILABLE, ""),
    "OSError": (ExitCode.FAILED, ""),
}


def ending_of(error: BaseException) -> Ending:
    """Decide how an error is reported.

    An error's own ``exit_code``, then its HTTP ``status``, then its class's nearest known ancestor decide.
    """
    hint = str(getattr(error, "hint", "") or "")
    code = getattr(error, "exit_code", None)
    status = getattr(error, "status", None)
    if isinstance(code, int):
        return Ending(ExitCode(code), _line(error), hint)
    if isinstance(status, int):
        return Ending(_of_status(status), _line(error), hint)
    for ancestor in type(error).__mro__:
        if ancestor.__name__ in _BY_CLASS:
            known, advice = _BY_CLASS[ancestor.__name__]
            return Ending(known, _line(error), hint or advice)
    message = f"unexpected {type(error).__name__}: {_line(error)}"
    return Ending(ExitCode.FAILED, message, "`congvan --debug …` shows where; please report it")


def report(error: BaseException) -> ExitCode:
    """Write an error to standard error as one line and its hint; return the exit code."""
    ending = ending_of(error)
    print(f"congvan: {_in_vietnamese(error)}{ending.message}", file=sys.stderr)
    if ending.hint:
        print(f"  hint: {ending.hint}", file=sys.stderr)
    return ending.code


def _in_vietnamese(error: BaseException) -> str:
    """What went wrong for whoever reads Vietnamese at the terminal; the English sentence after it has the details."""
    from consumers.cli.words import ERRORS, say, speaks_vietnamese

    known = next((ERRORS[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in ERRORS), "")
    return f"{say(known)} " if known and speaks_vietnamese() else ""


def _of_status(status: int) -> ExitCode:
    if status == _NOT_FOUND:
        return ExitCode.NOT_FOUND
    if status >= _SERVER_ERROR or status == _TOO_MANY:
        return ExitCode.UNAVAILABLE
    return ExitCode.REFUSED


def _line(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    from schemas.hidden import blanked

    return blanked(" ".join(_text(error).split())) or type(error).__name__


def _text(error: BaseException) -> str:
    """What an error says; of settings that are wrong each variable, what is wrong with it and what stands there."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    from deploy.settings import PROGRAMS
    from schemas.model import problems_of

    fields = {
        name: variable for it in PROGRAMS if it.__name__ == error.title for variable, name in it.variables().items()
    }
    fields |= {"(whole)": ""}
    named = ((fields.get(item.field.partition(".")[0], item.field), item.problem) for item in problems_of(error))
    return "; ".join(f"{name} {problem}" for name, problem in named)
