"""``congvan recall``: call a dispatch back from its addressees, or see beforehand what that would do at each."""

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from router.cli.console_output import JsonOption, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aiohttp import FormData

    from router.cli.api_client import ApiClient

app = typer.Typer(add_completion=False)
_SHOWN = 50
_SAID = {
    "ends": "end at once",
    "follows": "on their way: end at the unit's gateway, or are asked for once they arrive",
    "asked": "arrived: the units are asked to give them back",
    "nothing": "nothing to recall any more",
}
_EPILOG = """Examples:

`congvan recall 019b0c5e-7d3a-7c3e-9f6b-2f1d3c4b5a69 --plan`: nothing is done

`congvan recall 019b0c5e-7d3a-7c3e-9f6b-2f1d3c4b5a69 --reason 'Sai phụ lục' --notation 9-TB/VP`

The recall is a dispatch of its own, to all whom the recalled one was addressed to; the units' people read the reason.
From some of them alone: `congvan send --kind recall --refers-to ID --to RULE`. The same command again is the same one.

Exit codes: 0 accepted, 1 failed, 2 wrong usage, 3 no such dispatch, 4 refused, 5 the web API is unavailable."""


@app.command(epilog=_EPILOG)
def recall(
    dispatch_id: Annotated[str, typer.Argument(metavar="ID", help="The dispatch's id.")],
    reason: Annotated[str, typer.Option(help="Why; the units' people read it. Required without --plan.")] = "",
    notation: Annotated[str, typer.Option(help="The recall's own number as printed, as 9-TB/VP.")] = "",
    plan: Annotated[bool, typer.Option("--plan", help="Do nothing; say what it would do at each addressee.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Recall a dispatch from all its addressees, or see beforehand what that would do."""
    from schemas.ids import is_id

    if not is_id(dispatch_id):
        raise typer.BadParameter(f"{dispatch_id!r} is no id", param_hint="ID")
    if not plan and not reason.strip():
        raise typer.BadParameter("say why; the units' people read it", param_hint="--reason")
    planned, accepted = asyncio.run(_recall(dispatch_id, reason.strip(), notation, only_plan=plan))
    if as_json:
        print_json([accepted or planned])
        return
    _print_plan(planned)
    if accepted:
        known = ", known already" if accepted["duplicate"] else ""
        print(f"{accepted['id']}\t{accepted['addressees']} addressees{known}")
    else:
        print("nothing was done")


async def _recall(
    dispatch_id: str, reason: str, notation: str, *, only_plan: bool
) -> "tuple[dict[str, Any], dict[str, Any] | None]":
    from router.cli.api_client import ApiClient
    from router.settings import RouterSettings
    from schemas.dispatch import Submission
    from schemas.model import parse

    async with ApiClient(RouterSettings(), sends=True) as api:
        planned = await _plan(api, dispatch_id)
        if only_plan:
            return planned, None
        letter = {**planned["recall"], "flash_text": reason} | ({"notation": notation} if notation else {})
        checked = parse(Submission, _json(letter), what="recall")
        return planned, await api.submit(lambda: _form(checked.model_dump_json()))


async def _plan(api: "ApiClient", dispatch_id: str) -> "dict[str, Any]":
    """The plan with all its deliveries, page by page."""
    first = page = await api.get(f"/api/v1/dispatches/{dispatch_id}/recall-plan")
    while path := page["next"]:
        page = await api.get(path)
        first["deliveries"] += page["deliveries"]
    return first | {"next": None}


def _json(letter: "Mapping[str, Any]") -> bytes:
    import orjson

    return orjson.dumps(letter)


@contextmanager
def _form(letter: str) -> "Iterator[FormData]":
    from aiohttp import FormData

    form = FormData()
    form.add_field("dispatch", letter, content_type="application/json")
    yield form


def _print_plan(planned: "Mapping[str, Any]") -> None:
    for effect, said in _SAID.items():
        if count := planned["effects"].get(effect, 0):
            print(f"{count:>6}  {said}")
    print(f"{planned['told']:>6}  units that the recall itself goes to")
    decided = [item for item in planned["deliveries"] if item["effect"] in {"asked", "nothing"}]
    if decided:
        print()
        rows = ((it["unit"], it["unit_name"], it["state"], it["effect"]) for it in decided[:_SHOWN])
        print_table(("unit", "name", "state", "effect"), rows)
        if len(decided) > _SHOWN:
            print(f"… {len(decided) - _SHOWN} more; --json lists all")
