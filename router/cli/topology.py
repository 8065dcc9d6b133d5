"""``congvan topology``: what should stand at the broker, what would change, and the change itself."""

import asyncio
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from router.cli.console_output import EXIT_CODES, JsonOption, open_ledger, print_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from router.broker.management import Management
    from router.broker.topology import Capacity, Changes, Topology

app = typer.Typer(no_args_is_help=True, add_completion=False)

_CONFLICTS = 4
_SIGNS = {"make": "+", "remove": "-", "rebuild": "~", "conflict": "!"}
_PLAN_EPILOG = f"""Examples:

`congvan topology plan`: what `apply` would do, line by line

`congvan topology plan --json | jq -r 'select(.change == "remove") | .what'`

{EXIT_CODES} Here 4: something at the broker conflicts with the plan."""
_APPLY_EPILOG = f"""Examples:

`congvan topology apply` · `congvan topology apply --json`

{EXIT_CODES} Here 4: applied, but for the conflicts that are named; each says what to do."""
_EXPORT_EPILOG = f"""Examples:

`congvan topology export > definitions.json`

`congvan topology export --without-logins | rabbitmqctl import_definitions`

{EXIT_CODES}"""


@app.callback()
def _group() -> None:
    """Plan, apply and export the broker's exchanges and queues."""


@app.command(epilog=_PLAN_EPILOG)
def plan(as_json: JsonOption = False) -> None:
    """Show how the broker differs from what the ledger's units and accounts need. Nothing is changed."""

    async def compare(management: "Management", wanted: "Topology") -> "Changes":
        from router.broker.topology import capacity_of, diff, read, within
        from router.settings import RouterSettings

        capacity = await capacity_of(management, RouterSettings().broker_file_handles)
        _show_capacity(len(wanted.queues), capacity, as_json)
        return within(diff(await read(management, wanted.vhost), wanted), capacity)

    _show(asyncio.run(_with_broker(compare)), as_json)


@app.command(epilog=_APPLY_EPILOG)
def apply(as_json: JsonOption = False) -> None:
    """Bring the broker in line: what is missing is made, what is no longer needed is removed unless it holds messages.

    What waited in a queue that had to be made anew is published again by the router.
    """

    async def change(management: "Management", wanted: "Topology") -> "Changes":
        from router.broker.topology import Making
        from router.broker.topology import apply as bring_in_line
        from router.settings import RouterSettings

        async def made(queues: "Sequence[str]") -> None:
            await asyncio.to_thread(_make_due_again, queues)

        settings = RouterSettings()
        making = Making(settings.topology_part, settings.broker_file_handles, made)
        return await bring_in_line(management, wanted.vhost, wanted, making)

    _show(asyncio.run(_with_broker(change)), as_json)


@app.command(epilog=_EXPORT_EPILOG)
def export(
    without_logins: Annotated[
        bool, typer.Option("--without-logins", help="Leave out users, their password hashes and permissions.")
    ] = False,
) -> None:
    """Print the plan as a RabbitMQ definitions file (JSON): for `rabbitmqctl import_definitions` or for review."""
    import orjson

    from router.broker.topology import definitions

    wanted = _wanted()
    document = definitions(wanted.shape() if without_logins else wanted)
    print(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())


def _show_capacity(planned: int, capacity: "Capacity | None", as_json: bool) -> None:
    fits = None if capacity is None else capacity.fits
    if as_json:
        print_json([{"change": "none", "what": "capacity", "queues_planned": planned, "queues_that_fit": fits}])
    elif capacity is None:
        print(f"= {planned} queues planned; how many fit is not known: set CONGVAN_BROKER_FILE_HANDLES")
    else:
        print(f"= {planned} queues planned; {fits} fit into the broker's {capacity.handles} file handles")


def _make_due_again(created: "Sequence[str]") -> None:
    from router.delivery.topology_sync import lost_units, make_due_again
    from router.directory import Directory
    from router.ledger.engine import writing
    from router.ledger.units.unit_list import list_units
    from schemas.clock import now_ms

    if created:
        with open_ledger() as engine, writing(engine) as conn:
            make_due_again(conn, lost_units(created, Directory(list_units(conn))), now_ms())


def _wanted() -> "Topology":
    """The plan of today for the ledger's units and valid accounts."""
    from router.delivery.broker_plan import planned
    from router.ledger.engine import reading
    from router.settings import RouterSettings
    from schemas.clock import now_ms

    with open_ledger() as engine, reading(engine) as conn:
        return planned(conn, RouterSettings(), now=now_ms())


async def _with_broker(act: "Callable[[Management, Topology], Awaitable[Changes]]") -> "Changes":
    import structlog

    from router.delivery.managed_broker import management_of
    from router.settings import RouterSettings

    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # the answer stands alone on stdout
    settings = RouterSettings()
    if not settings.management_url or not settings.amqp_url:
        raise typer.BadParameter(
            "no broker is named: set CONGVAN_AMQP_URL, CONGVAN_MANAGEMENT_URL, CONGVAN_AMQP_USER and "
            "CONGVAN_AMQP_PASSWORD (an administrator's); a router that `congvan up` runs applies by itself"
        )
    async with management_of(settings) as management:
        return await act(management, await asyncio.to_thread(_wanted))


def _show(changes: "Changes", as_json: bool) -> None:
    rows = list(_rows(changes))
    if as_json:
        print_json(rows)
    for row in [] if as_json else rows:
        print(_SIGNS[row["change"]], row["what"], *([f"{row['problem']}; {row['remedy']}"] if "problem" in row else []))
    if not rows and not as_json:
        print("the broker stands as planned")
    if changes.conflicts:
        raise typer.Exit(_CONFLICTS)


def _rows(changes: "Changes") -> "Iterator[dict[str, str]]":
    rebuilt = {queue.name for queue in changes.rebuild}
    for item in changes.remove.items():
        yield {"change": "remove", "what": str(item)}
    for item in changes.create.items():
        anew = getattr(item, "name", "") in rebuilt
        yield {"change": "rebuild" if anew else "make", "what": str(item)}
    for conflict in changes.conflicts:
        yield {"change": "conflict", "what": conflict.what, "problem": conflict.problem, "remedy": conflict.remedy}
