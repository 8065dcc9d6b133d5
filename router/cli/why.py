"""``congvan why``: one delivery explained: what happened, where it is, what comes next, what to do."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.console_output import EXIT_CODES, JsonOption, local_time, open_ledger, print_json
from router.cli.stats import took
from schemas.clock import now_ms
from schemas.reasons import WORDS, known_code

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from router.ledger.queries import DeliveryDetail, DeliveryRow
    from router.words.journey import JourneyStep

app = typer.Typer(add_completion=False)

_NOT_FOUND = 3
_EPILOG = f"""Examples:

`congvan why 019b0c5e-7d3a-7c3e-9f6b-2f1d3c4b5a69`: the id of a delivery, as `congvan track --json` and the log tell it

`congvan why DISPATCH LCA.02.05`: the delivery of a dispatch to a unit

`congvan why DELIVERY --json`: one object, with the links of the receipts' chain that certificates name

{EXIT_CODES} Here 3: there is no such delivery."""
IdArgument = Annotated[str, typer.Argument(metavar="DELIVERY", help="A delivery; with UNIT, a dispatch.")]
UnitArgument = Annotated[str, typer.Argument(metavar="[UNIT]", help="The addressee of the dispatch.")]


@app.command(epilog=_EPILOG)
def why(key: IdArgument, unit: UnitArgument = "", as_json: JsonOption = False) -> None:
    """Explain one delivery: what happened, what comes next, what to do."""
    from router.ledger.engine import reading

    with open_ledger() as engine, reading(engine) as conn:
        found = explain(conn, key, unit)
        if found is not None:
            _blame_the_store(conn, found)
    if found is None:
        missing = f"of dispatch {key} to {unit}" if unit else key
        typer.echo(f"congvan: there is no delivery {missing}", err=True)
        raise typer.Exit(_NOT_FOUND)
    if as_json:
        print_json([found])
    else:
        _print(found)


def explain(conn: "Connection", key: str, unit: str) -> dict[str, Any] | None:
    """All that is to be said of a delivery, in English; None when there is no such delivery."""
    from router.ledger.queries import find_delivery
    from router.ledger.queries.chain import links_of
    from router.ledger.scope import EVERYTHING
    from router.words.journey import drops_of, journey_of
    from router.words.terms import STATES
    from router.words.verdict import verdict_of

    now, delivery_id = now_ms(), _delivery_of(conn, key, unit) if unit else key
    detail = find_delivery(conn, EVERYTHING, delivery_id) if delivery_id else None
    if detail is None:
        return None
    row, verdict = detail.delivery, verdict_of(detail.delivery)
    return {
        "delivery": row.id,
        "dispatch": row.dispatch_id,
        "notation": row.notation,
        "subject": row.subject,
        "unit": row.unit,
        "unit_name": row.unit_name,
        "state": row.state.value,
        "state_at": row.state_at,
        "reason": row.reason,
        "reason_code": row.reason_code,
        "hand_over": _hand_over(row),
        "means": STATES[row.state].meaning,
        "line_down_since": row.line_down_since,
        "steps": [_step(step) for step in journey_of(detail, drops_of(conn, detail, now))],
        "next": verdict.next,
        "next_at": verdict.at,
        "advice": verdict.advice,
        "published": row.published,
        "chain": _chain(detail, list(links_of(row.id, detail.receipts))),
    }


def _blame_the_store(conn: "Connection", found: dict[str, Any]) -> None:
    """Say of a delivery that waits for a content which the router has damaged or lost that this is why."""
    from router.content import ContentStore
    from router.ledger.queries.contents import needed_by
    from router.settings import RouterSettings
    from schemas.states import UNDELIVERED, WAITING_FOR_OPERATOR

    settings = RouterSettings()
    root = settings.data_dir / "content"
    found["damaged"] = []
    if found["state"] not in UNDELIVERED | WAITING_FOR_OPERATOR or not root.exists():
        return
    store = ContentStore(root, reserve_bytes=settings.content_reserve_bytes)
    bad = [file for file in needed_by(conn, found["dispatch"]) if store.size(file.sha256) is None]
    if bad:
        names = ", ".join(f"{file.name} ({file.sha256})" for file in bad)
        found["damaged"] = [file.sha256 for file in bad]
        found["advice"] = (
            f"The router's own copy of {names} is damaged or lost; nothing is wrong at the unit. Whoever has the file "
            "sends it once more: any upload of the same bytes mends it. `congvan content verify` tells who else waits."
        )


def _hand_over(row: "DeliveryRow") -> dict[str, Any] | None:
    """Why the unit's gateway does not hand it over, when it has it and says so."""
    if not row.waits_for_sink:
        return None
    known = known_code(row.trouble_code)
    words = WORDS[known] if known else None
    said = {"code": row.trouble_code, "since": row.trouble_since, "why": row.trouble}
    return said | {"means": words.en if words else "", "advice": words.advice_en if words else ""}


def _delivery_of(conn: "Connection", dispatch_id: str, unit: str) -> str:
    from router.ledger.queries import list_deliveries
    from router.ledger.scope import EVERYTHING

    rows = list_deliveries(conn, EVERYTHING, units=unit, dispatch_id=dispatch_id, limit=1)
    return rows[0].id if rows else ""


def _step(step: "JourneyStep") -> dict[str, Any]:
    said: dict[str, Any] = {"at": step.at, "sort": step.sort.value}
    if step.receipt is not None:
        told = step.receipt
        said |= {"status": told.status.value, "effect": told.effect.value, "reason": told.reason}
        said |= {"person": told.person, "register_number": told.register_number, "id": told.id}
        said |= {name: key for name in ("corrects", "undoes") if (key := getattr(told, name)) is not None}
    if step.attempt is not None:
        said |= {"outcome": step.attempt.outcome, "reason": step.attempt.detail}
    if step.outages:
        said |= {"drops": len(step.outages), "until": step.down_until}
    return said


def _chain(detail: "DeliveryDetail", links: list[str]) -> list[dict[str, str]]:
    return [{"receipt": row.id, "link": link} for row, link in zip(detail.receipts, links, strict=True)]


def _print(found: Mapping[str, Any]) -> None:
    print(f"{found['notation']} to {found['unit']} {found['unit_name']}")
    print(f"  {found['subject']}")
    print(f"\nIt is {found['state']} since {local_time(found['state_at'])} ({took(now_ms() - found['state_at'])}).")
    print(f"  {found['means']}")
    if found["reason"]:
        print(f"  Reason: {found['reason']}")
    if found["hand_over"]:
        told = found["hand_over"]
        print(f"  Its gateway cannot hand it over since {local_time(told['since'])}: {told['means']}: {told['why']}")
        print(f"  {told['advice']}")
    print("\nWhat happened:")
    for step in found["steps"]:
        print(f"  {local_time(step['at'])}  {_words(step)}")
    print("\nWhat comes next:")
    at = "" if found["next_at"] is None else f" {local_time(found['next_at'])}"
    print(f"  {found['next']}{at}")
    print("\nWhat to do:")
    print(f"  {found['advice']}")
    if found["chain"]:
        print(f"\nChain of receipts: {found['chain'][-1]['link']}")


def _words(step: Mapping[str, Any]) -> str:
    sort = step["sort"]
    if sort == "outage":
        back = "still down" if step["until"] is None else f"back {local_time(step['until'])}"
        return f"line down, {back}" if step["drops"] == 1 else f"{step['drops']} drops of the line, {back}"
    if sort == "receipt":
        mark = "" if step["effect"] == "advance" else f" ({step['effect']})"
        number = step["register_number"] and f"no. {step['register_number']}"
        return "  ".join(filter(None, (f"{step['status']}{mark}", step["reason"], number, step["person"])))
    named = {"attempt": "not published", "published": "published again"}.get(sort, sort)
    return re.sub(r": $", "", f"{named}: {step.get('outcome', '')} {step.get('reason', '')}".rstrip(": ").rstrip())
