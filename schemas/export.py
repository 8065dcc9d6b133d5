"""The JSON Schemas (2020-12) of what travels, made from the models; committed under ``schemas/json``.

A schema's major version is in its ``$id``. It is raised when a document that was valid would no longer be, see
:mod:`schemas.compatibility`; what was released stays under ``schemas/json/released/<major>``.
"""

import json
from typing import Any

from schemas.descriptor import Descriptor
from schemas.dispatch import Accepted, Submission
from schemas.fields import Described
from schemas.model import Travelling
from schemas.receipt import Ask, Burst, Gap, Hello, Receipt
from schemas.recount import Kept, Recount
from schemas.unit import Unit

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MODELS: dict[str, tuple[type[Travelling], int]] = {
    "unit": (Unit, 1),
    "submission": (Submission, 1),
    "accepted": (Accepted, 1),
    "descriptor": (Descriptor, 1),
    "receipt": (Receipt, 1),
    "burst": (Burst, 1),
    "gap": (Gap, 1),
    "hello": (Hello, 1),
    "ask": (Ask, 1),
    "recount": (Recount, 1),
    "kept": (Kept, 1),
}
"""Each exported schema: its model and its major version."""


def schema_of(name: str) -> dict[str, Any]:
    """One schema, as a validator of incoming documents has to read it."""
    model, major = MODELS[name]
    generated = model.model_json_schema(mode="validation", schema_generator=Described)
    return {"$schema": DIALECT, "$id": f"urn:congvan:schema:{name}:{major}", **generated}


def files() -> dict[str, str]:
    """File name → text of every schema, sorted and ending in a line feed, the same on every run."""
    return {f"{name}.json": _text(schema_of(name)) for name in MODELS}


def _text(schema: dict[str, Any]) -> str:
    return json.dumps(schema, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
