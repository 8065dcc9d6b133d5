"""What the commands share: the ledger they read, times as people write them, and output as a table or as JSON lines."""

import getpass
import re
import socket
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.pages.spreadsheet import BOM, Separator, lines
from schemas.clock import now_ms, to_ms

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from router.ledger.recovery.forgotten import Forgotten

EXIT_CODES = "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 refused, 5 something needed is unavailable."
CsvOption = Annotated[
    Separator | None,
    typer.Option(
        "--csv", help="A file for a spreadsheet program, with this between the cells: , or ; (a Vietnamese Windows)."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object per line instead of a table.")]

_SPAN = re.compile(r"^(\d{1,6})([smhdw])$")
_LAST_MOMENT = time(23, 59, 59, 999_000)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@contextmanager
def open_ledger(*, begin: bool = False) -> Iterator["Engine"]:
    """The ledger of the settings, at the revision that this program needs.

    Args:
        begin: make the tables when there are none, so that units and accounts can be there before the router is.

    Raises:
        LedgerRevisionError: its tables are of another revision.
        LedgerUnavailableError: its database does not answer.
    """
    from router.ledger.engine import current_revision, open_engine, require_current, upgrade
    from router.settings import RouterSettings

    engine = open_engine(RouterSettings().database_url)
    try:
        if begin and current_revision(engine) is None:
            upgrade(engine)
        require_current(engine)
        yield engine
    finally:
        engine.dispose()


def person_here() -> str:
    """Who acts at this terminal, as the audit log names them."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def print_json(rows: Iterable[Any]) -> None:
    """One JSON object per row (dataclass, mapping or pydantic model), each line flushed for the program that reads."""
    import orjson
    from pydantic import BaseModel

    for row in rows:
        value = row.model_dump(mode="json") if isinstance(row, BaseModel) else row
        sys.stdout.write(orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS).decode() + "\n")
        sys.stdout.flush()


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[object]], separator: Separator) -> None:
    """A table as the console's files are: UTF-8 with its mark, no cell a formula."""
    sys.stdout.write(BOM + lines([columns, *rows], separator))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table as wide as the terminal; where there is no terminal, plain lines with a tab between the values."""
    if not sys.stdout.isatty():
        for row in (columns, *rows):
            print("\t".join(str(value) for value in row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, header_style="bold", pad_edge=False)
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row))
    Console().print(table)


def local_time(ms: int | None) -> str:
    """A stored time in the organisation's zone, to the second; empty when there is none."""
    from schemas.zone import local_time as written

    return written(ms)


def older_than_gateways(told: "Forgotten") -> str:
    """The sentence that says that gateways speak of more than the ledger has."""
    return (
        f"the ledger is older than what gateways tell: {told.deliveries} deliveries of {told.units} units, accepted "
        f"from {local_time(told.first)} to {local_time(told.last)}, are not in it; "
        "what was said of them lies in the queue dead"
    )


def day_of(text: str, option: str) -> date:
    """A day as it was given; of an empty text the organisation's today.

    Raises:
        typer.BadParameter: the text is no day.
    """
    from pydantic import TypeAdapter, ValidationError

    from schemas.clock import Day, today
    from schemas.zone import zone

    try:
        return TypeAdapter(Day).validate_python(text) if text else today(zone().key)
    except ValidationError as error:
        raise typer.BadParameter(f"{text!r} is no day; write it as 2025-07-01", param_hint=option) from error


def past_moment(text: str) -> int:
    """UTC ms of ``2h`` (that long ago) or of an ISO 8601 date or time.

    Raises:
        typer.BadParameter: the text is neither.
    """
    span = _span(text)
    return now_ms() - span if span is not None else _moment(text)


def last_moment(text: str) -> int:
    """As :func:`past_moment`; a bare day is its last moment, so that the day itself is within.

    Raises:
        typer.BadParameter: the text is neither.
    """
    span = _span(text)
    return now_ms() - span if span is not None else _moment(text, ends=True)


def future_moment(text: str) -> int:
    """UTC ms of ``90d`` (from now) or of an ISO 8601 date or time that is still to come; a day ends with its last.

    Raises:
        typer.BadParameter: the text is neither, or has passed.
    """
    span = _span(text)
    moment = now_ms() + span if span is not None else _moment(text, ends=True)
    if moment <= now_ms():
        raise typer.BadParameter(f"{text!r} has passed")
    return moment


def _span(text: str) -> int | None:
    match = _SPAN.fullmatch(text.strip())
    return match and round(timedelta(**{_UNITS[match[2]]: int(match[1])}) / timedelta(milliseconds=1))


def _moment(text: str, *, ends: bool = False) -> int:
    """A time without an offset is one of the organisation's zone; a bare day is its first moment, or its last."""
    from schemas.zone import zone

    here = zone()
    try:
        moment = datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=here)
        if ends and _DAY.fullmatch(text.strip()):
            moment = datetime.combine(moment.date(), _LAST_MOMENT, here)
        return to_ms(moment)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is no time; write 30m, 2h, 7d, 2026-11-22 or 2026-11-22T05:04") from None
