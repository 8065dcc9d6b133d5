"""What an account may send, as commands change and show it."""

from collections.abc import Sequence
from dataclasses import replace

import typer

from router.cli.console_output import print_json, print_table
from schemas.accounts import Account
from schemas.rights import Allowance, Amount, Rights, parse_reach

NOBODY = "none"


def changed_rights(
    before: Rights,
    reach: Sequence[str] | None,
    max_urgency: int | None,
    over_below: bool | None,
    hourly: tuple[int | None, int | None, int | None],
) -> Rights:
    """Rights with what a command names changed; None: as before.

    Raises:
        typer.BadParameter: a reach that is none.
    """
    try:
        reached = before.reach if not reach else parse_reach(word for word in reach if word != NOBODY)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--reach") from error
    most = before.hourly.dispatches, before.hourly.deliveries, before.hourly.bytes
    amounts = [old if new is None else new for old, new in zip(most, hourly, strict=True)]
    return replace(
        before,
        reach=reached,
        max_urgency=before.max_urgency if max_urgency is None else max_urgency,
        over_below=before.over_below if over_below is None else over_below,
        hourly=Allowance(*amounts),
    )


def print_rights(account: Account, rights: Rights, sent: Amount | None = None, *, as_json: bool) -> None:
    """Print rights, and what was sent of the hour's allowance where that is known."""
    told = {
        "account": account.name,
        "reach": list(rights.reach),
        "max_urgency": rights.max_urgency,
        "over_below": rights.over_below,
        "dispatches_per_hour": rights.hourly.dispatches,
        "deliveries_per_hour": rights.hourly.deliveries,
        "bytes_per_hour": rights.hourly.bytes,
    }
    if sent is not None:
        told |= {"sent": {"dispatches": sent.dispatches, "deliveries": sent.deliveries, "bytes": sent.bytes}}
    if as_json:
        print_json([told])
        return
    rows = [
        ("may address", " ".join(rights.reach) or NOBODY),
        ("highest urgency", str(rights.max_urgency)),
        ("may change what units below it sent", "yes" if rights.over_below else "no"),
        *((f"{name} an hour", _amount(rights.hourly, sent, name)) for name in ("dispatches", "deliveries", "bytes")),
    ]
    print_table((account.name, ""), rows)


def _amount(allowance: Allowance, sent: Amount | None, name: str) -> str:
    most = getattr(allowance, name)
    text = "any number" if most is None else str(most)
    return text if sent is None or most is None else f"{getattr(sent, name)} of {text}"
