"""``congvan ledger recover``: after an older ledger was restored, have the gateways report what it has forgotten."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.console_output import (
    EXIT_CODES,
    JsonOption,
    local_time,
    older_than_gateways,
    open_ledger,
    past_moment,
    person_here,
    print_json,
    print_table,
)
from schemas.clock import now_ms

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from router.ledger.recovery.forgotten import Forgotten, Lost
    from router.ledger.recovery.recovering import Recovery, UnitStanding

app = typer.Typer(add_completion=False, no_args_is_help=True)

_SHOWN, _MOST_LOST = 20, 10_000
_EPILOG = f"""Examples:

`congvan ledger recover --dry-run`: whether gateways tell of more than the ledger has; nothing is asked or changed

`congvan ledger recover`: ask them for it; said again, it shows how far they are

`congvan ledger recover --since 2026-11-21T22:00`: for what was accepted since then, though nothing tells of it yet

`congvan ledger recover --end`: it is done, or the rest is given up

{EXIT_CODES}"""


@app.callback()
def ledger() -> None:
    """Recover the ledger after an older copy of it was restored."""


@dataclass(frozen=True, slots=True)
class RecoveryReport:
    """What the ledger has forgotten, how far it has been asked back, and what cannot be had; times are UTC ms.

    ``since``: from when on dispatches would be asked for; None: nothing shows that any was forgotten.
    """

    forgotten: "Forgotten"
    recovery: "Recovery | None"
    since: int | None
    units: "Sequence[UnitStanding]"
    without_gateway: int
    lost: "Sequence[Lost]"
    missing_contents: Sequence[str]

    def as_object(self) -> dict[str, Any]:
        """The same as plain values."""
        return asdict(self)


@app.command(epilog=_EPILOG)
def recover(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Ask and change nothing; only report.")] = False,
    since: Annotated[
        str, typer.Option(metavar="WHEN", help="For what was accepted since then (2d, a date or time), not as found.")
    ] = "",
    again: Annotated[bool, typer.Option("--again", help="Ask all gateways once more from the beginning.")] = False,
    end: Annotated[
        bool, typer.Option("--end", help="End the recovery; what is still missing no longer needs attention.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why; kept in the audit log.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Ask the gateways for what an older, restored ledger has forgotten, and enter it; the router does so meanwhile."""
    from router.ledger.engine import reading, writing

    if dry_run and (again or end):
        raise typer.BadParameter("a dry run changes nothing: leave out --again and --end", param_hint="--dry-run")
    moment = past_moment(since) if since else None
    with open_ledger() as engine:
        if end:
            with writing(engine) as conn:
                _end(conn, reason)
        elif not dry_run:
            with writing(engine) as conn:
                _begin(conn, moment, reason, again=again)
        with reading(engine) as conn:
            report = look(conn, moment)
    if as_json:
        print_json([report.as_object()])
    else:
        _show(report)


def look(conn: "Connection", since: int | None = None) -> RecoveryReport:
    """How it stands now."""
    from router.ledger.recovery import forgotten, recovering
    from router.ledger.units.unit_list import list_units

    found = recovering.current(conn)
    units = recovering.units(conn)
    return RecoveryReport(
        forgotten=forgotten.summary(conn),
        recovery=found,
        since=found.since if found else since if since is not None else recovering.forgotten_since(conn),
        units=units,
        without_gateway=len(list_units(conn)) - len(units),
        lost=forgotten.lost(conn, limit=_MOST_LOST),
        missing_contents=_missing(recovering.contents(conn)),
    )


def _begin(conn: "Connection", since: int | None, reason: str, *, again: bool) -> None:
    """Open a recovery when there is something to recover, or ask all once more."""
    from router.ledger.people.audit import Act, AuditEntry, record
    from router.ledger.recovery import recovering

    found = recovering.current(conn)
    if found is not None and not again and since is None:
        return
    first = since if since is not None else found.since if found else recovering.forgotten_since(conn)
    if first is None:
        return
    who, now = person_here(), now_ms()
    recovering.begin(conn, recovering.NewRecovery(who, now, first))
    record(conn, AuditEntry(now, who, Act.RECOVERY_BEGUN, "ledger", reason=reason, detail=f"since {local_time(first)}"))


def _end(conn: "Connection", reason: str) -> None:
    from router.ledger.people.audit import Act, AuditEntry, record
    from router.ledger.recovery import forgotten, recovering

    now = now_ms()
    found = recovering.end(conn, now)
    count = forgotten.give_up(conn, now)
    if found is not None or count:
        who = person_here()
        detail = f"{found.deliveries if found else 0} deliveries rebuilt, {count} given up"
        record(conn, AuditEntry(now, who, Act.RECOVERY_ENDED, "ledger", reason=reason, detail=detail))


def _missing(names: Sequence[str]) -> list[str]:
    """Those of the contents that do not lie in the store of this machine, hashed; none where there is no store."""
    from router.content import ContentStore
    from router.content.store import State
    from router.settings import RouterSettings

    settings = RouterSettings()
    root = settings.data_dir / "content"
    if not names or not root.exists():
        return []
    store = ContentStore(root, reserve_bytes=settings.content_reserve_bytes)
    return [name for name in names if store.verify(name) is not State.SOUND]


def _show(report: RecoveryReport) -> None:
    told, found = report.forgotten, report.recovery
    if told.deliveries:
        print(older_than_gateways(told))
    elif found is None:
        print("nothing tells that the ledger is older than its gateways")
    if found is None:
        if report.since is not None:
            print(f"`congvan ledger recover` would ask for what was accepted since {local_time(report.since)}")
        _show_lost(report)
        return
    print(
        f"a recovery is open since {local_time(found.opened_at)}, of what was accepted since "
        f"{local_time(found.since)}; rebuilt so far: {found.dispatches} dispatches, {found.deliveries} deliveries, "
        f"{found.receipts} receipts"
    )
    _show_units(report)
    _show_lost(report)


def _show_units(report: RecoveryReport) -> None:
    states = Counter(map(_state, report.units))
    for state, count in states.most_common():
        print(f"{count} units: {state}")
    if report.without_gateway:
        print(
            f"{report.without_gateway} units have no gateway that was heard of: "
            "what was accepted for them alone only its issuers know"
        )
    waiting = [item for item in report.units if item.done_at is None][:_SHOWN]
    if waiting:
        rows = [(item.unit, _state(item), item.told, local_time(item.asked_at)) for item in waiting]
        print_table(("unit", "state", "told", "asked"), rows)


def _state(item: "UnitStanding") -> str:
    if item.done_at is not None:
        return "has told everything"
    if not item.can:
        return "its gateway is of a version that cannot tell what it holds, or has not said hello since"
    return "is being asked" if item.asked_at is not None else "is asked when its gateway says hello"


def _show_lost(report: RecoveryReport) -> None:
    if report.lost:
        print(f"{len(report.lost)} deliveries are missing:")
        rows = [
            (item.unit, item.delivery_id, local_time(item.made_at), item.why or "its gateway has not told it")
            for item in report.lost[:_SHOWN]
        ]
        print_table(("unit", "delivery", "accepted", "why"), rows)
        if len(report.lost) > _SHOWN:
            print("`--json` names all")
    for name in report.missing_contents:
        print(f"content {name} of a rebuilt dispatch is not in the store: any upload of the same bytes mends it")
