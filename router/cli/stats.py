"""``congvan stats``: a month's figures by unit, urgency and month, read from the ledger itself."""

from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.console_output import EXIT_CODES, JsonOption, open_ledger, print_json, print_table
from schemas.clock import now_ms

if TYPE_CHECKING:
    from router.ledger.queries import Measured, MeasuredStage, MonthlyStatistics

app = typer.Typer(add_completion=False)

_SECOND_MS, _NOT_FOUND = 1000, 3
_SIZES = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (_SECOND_MS, "s"), (1, "ms"))
_EPILOG = f"""Examples:

`congvan stats`: this month, by the units below the topmost one

`congvan stats --month 2026-11 --unit LCA.02 --stage registered`: how fast a district's units registered

`congvan stats --by month` · `congvan stats --by urgency`

`congvan stats --json`: everything, for another program; lengths are milliseconds, heat is by weekday and hour

The month is that of the acceptance, in the zone CONGVAN_TIMEZONE; a length is the time from the acceptance to the
first receipt of the stage. `50% within`: half took no longer. The times are exact. `registered in time`: of what was to
be registered or refused, by the working calendar; `in time`: of what was to be completed by its due date.

{EXIT_CODES} Here 3: there is no such unit."""


class GroupBy(StrEnum):
    """What a row is about."""

    UNIT = "unit"
    URGENCY = "urgency"
    MONTH = "month"


class ShownStage(StrEnum):
    """The stages of :class:`router.ledger.queries.MeasuredStage`, known before the ledger's code is loaded."""

    ARRIVED = "arrived"
    REGISTERED = "registered"
    COMPLETED = "completed"


@app.command(epilog=_EPILOG)
def stats(
    month: Annotated[str, typer.Option(metavar="YYYY-MM", help="Which month; without it, this one.")] = "",
    unit: Annotated[str, typer.Option(metavar="CODE", help="Only to this unit and all below it.")] = "",
    by: Annotated[GroupBy, typer.Option(help="What a row is about.")] = GroupBy.UNIT,
    stage: Annotated[ShownStage, typer.Option(help="How long until what.")] = ShownStage.ARRIVED,
    as_json: JsonOption = False,
) -> None:
    """Show a month's volume and how long deliveries took."""
    found = _look(month, unit)
    if as_json:
        print_json([as_object(found)])
        return
    columns = (
        by.value,
        "accepted",
        stage.value,
        "share",
        "50% within",
        "95% within",
        "99% within",
        "registered in time",
        "in time",
    )
    rows = list(_rows(found, by))
    print_table(columns, [(name, *_cells(measured, stage)) for name, measured in (*rows, ("all", found.whole))])


def as_object(found: "MonthlyStatistics") -> dict[str, Any]:
    """Everything that is known of a month."""
    return {
        "month": str(found.month),
        "unit": found.head,
        "whole": found.whole,
        "by_unit": dict(_rows(found, GroupBy.UNIT)),
        "by_urgency": dict(sorted(found.breakdown.by_urgency.items())),
        "by_month": dict(_rows(found, GroupBy.MONTH)),
        "heat": found.heat,
    }


def took(ms: int | None) -> str:
    """How long something took, to a tenth of its largest unit."""
    if ms is None:
        return "-"
    size, unit = next((item for item in _SIZES if ms >= item[0]), _SIZES[-1])
    return f"{ms / size:.1f}".removesuffix(".0") + f" {unit}"


def _look(month: str, unit: str) -> "MonthlyStatistics":
    from router.ledger.engine import reading
    from router.ledger.queries import monthly, names_of, topmost
    from router.ledger.scope import EVERYTHING
    from schemas.months import Month
    from schemas.zone import zone

    timezone, now = zone().key, now_ms()
    try:
        wanted = Month.read(month) if month else Month.at(now, timezone)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--month") from None
    with open_ledger() as engine, reading(engine) as conn:
        if unit and not names_of(conn, EVERYTHING, [unit]):
            typer.echo(f"congvan: there is no unit {unit}; `congvan units tree` shows which there are", err=True)
            raise typer.Exit(_NOT_FOUND)
        heads = topmost(conn, EVERYTHING)
        head = unit or (heads[0] if len(heads) == 1 else "")
        return monthly(conn, EVERYTHING, wanted, head=head, timezone=timezone, now_ms=now)


def _rows(found: "MonthlyStatistics", by: GroupBy) -> "Iterator[tuple[str, Measured]]":
    if by is GroupBy.MONTH:
        yield from ((str(month), measured) for month, measured in found.trend)
    elif by is GroupBy.URGENCY:
        yield from ((str(degree), measured) for degree, measured in sorted(found.breakdown.by_urgency.items()))
    else:
        for step, measured in sorted(found.breakdown.by_step.items()):
            yield ".".join(filter(None, (found.head, step))), measured


def _cells(measured: "Measured", stage: ShownStage) -> tuple[str, ...]:
    spread = measured.stages[_stage(stage)]
    lengths = took(spread.p50), took(spread.p95), took(spread.p99)
    return (
        str(measured.accepted),
        str(spread.count),
        _percent(spread.count, measured.accepted),
        *lengths,
        _percent(measured.registered_in_time, measured.to_register),
        _percent(measured.in_time, measured.due),
    )


def _stage(stage: ShownStage) -> "MeasuredStage":
    from router.ledger.queries import MeasuredStage

    return MeasuredStage(stage.value)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part // whole}%" if whole else "-"
