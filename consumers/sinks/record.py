"""How a document is described to the unit's own systems: one JSON record, the same for every sink."""

from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import Any

import orjson

from consumers.sinks.base import Document
from schemas.clock import iso
from schemas.text import safe_file_name

RECORD_NAME = "dispatch.json"
_LONGEST = 200


def file_names(names: Iterable[str]) -> tuple[str, ...]:
    """Names under which files can stand beside each other and beside the record, on any file system.

    Each is one path component; the second of two that differ in case only becomes ``name (2).pdf``.
    """
    taken = {RECORD_NAME}
    chosen = []
    for wanted in names:
        name = _free(safe_file_name(wanted), taken)
        taken.add(name.casefold())
        chosen.append(name)
    return tuple(chosen)


def record_of(document: Document, names: Sequence[str]) -> dict[str, Any]:
    """The record: of this delivery its id, unit, sequence number and time; the letter; each file and where it is.

    Args:
        document: the delivery.
        names: for each of its files, the name under which it is handed over.
    """
    letter = document.descriptor.model_dump(mode="json", exclude={"attachments", "record", "v"})
    letter["attachments"] = [
        {"name": file.name, "media_type": file.media_type, "size": file.size, "sha256": file.sha256, "file": name}
        for file, name in zip(document.files, names, strict=True)
    ]
    return {
        "delivery_id": document.delivery_id,
        "unit": document.unit,
        "seq": document.seq,
        "received_at": iso(document.received_at),
        "traceparent": document.traceparent,
        "dispatch": letter,
    }


def encode_record(document: Document, names: Sequence[str]) -> bytes:
    """The record as indented UTF-8 JSON with a final line feed."""
    return orjson.dumps(record_of(document, names), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def clip(text: str, limit: int) -> str:
    """The beginning of a text, at most ``limit`` bytes of UTF-8, whole characters, no space or dot at its end."""
    return text.encode()[:limit].decode(errors="ignore").rstrip(". ")


def _free(name: str, taken: set[str]) -> str:
    candidate, copy = name, 1
    while candidate.casefold() in taken:
        copy += 1
        ending = PurePath(name).suffix
        mark = f" ({copy}){ending}"
        candidate = clip(name.removesuffix(ending), _LONGEST - len(mark.encode())) + mark
    return candidate
