"""Units for tests: a small organisation, and the example of Lào Cai."""

import csv
from pathlib import Path

from schemas.unit import Link, Unit

LAO_CAI = Path(__file__).parents[2] / "deploy" / "examples" / "lao-cai" / "units.csv"


def a_unit(code: str, *, link: Link = Link.LAN, **fields: object) -> Unit:
    """A unit below the one its code names."""
    parent = code.rpartition(".")[0] or None
    return Unit.model_validate({"code": code, "parent": parent, "name": code, "kind": "unit", "link": link, **fields})


def lao_cai_units() -> list[Unit]:
    """The 184 units of the example."""
    with LAO_CAI.open(encoding="utf-8", newline="") as stream:
        return [Unit.model_validate({**row, "parent": row["parent"] or None}) for row in csv.DictReader(stream)]
