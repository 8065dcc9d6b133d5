"""Reads a list of units, CSV or JSON; either all of it holds together or every problem is reported with its line."""

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from pydantic import ValidationError

from router.directory.checking import ListEntry, problems_of_list, refuse
from schemas.codes import covers
from schemas.errors import FieldProblem
from schemas.model import problems_of
from schemas.unit import Unit

MAX_UNITS = 200_000
"""Most units of one directory; the national register lists some 111,000."""
MAX_FILE_BYTES = 128 * 1024**2
MAX_CODES = 100
"""Most codes in other schemes that a line of a list may name."""
MAX_COMMAS = 1000
"""Most commas in a unit as JSON: the time that a model takes over what it does not know has no other bound."""
REQUIRED_COLUMNS = ("code", "parent", "name", "kind", "link")
OPTIONAL_COLUMNS = ("note", "opening", "valid_from", "valid_to", "successor", "codes")
_SAYS_SEPARATOR = "sep="
_NOT_YOURS = "is none of the units that you administer; take the line out"
_NAMED_IN_A_LINE = 5
_SHOWN_OF_A_NAME = 40
_GAP = re.compile(r"[\s,]*")


def load_file(path: Path, *, beside: Sequence[Unit] = ()) -> list[Unit]:
    """Read a ``.csv`` or ``.json`` file of units, UTF-8 with or without a byte-order mark.

    Args:
        path: the file.
        beside: units that are there already; the list has to hold together with those of them that it does not name.

    Raises:
        DirectoryError: as :func:`load_csv`, or the file is too large, not UTF-8 or of another ending.
        OSError: the file cannot be read.
    """
    _loader(path.name)
    if path.stat().st_size > MAX_FILE_BYTES:
        raise refuse([FieldProblem("file", f"is larger than {MAX_FILE_BYTES} bytes", path.name)])
    return load_list(path.name, path.read_bytes(), beside=beside)


def load_list(name: str, data: bytes, *, beside: Sequence[Unit] = (), own: Sequence[str] | None = None) -> list[Unit]:
    """Read the bytes of a list by the ending of its name, as :func:`load_file`.

    Args:
        name: what the file is called.
        data: what is in it.
        beside: as there.
        own: patterns of the units that may stand in it; None: any.

    Raises:
        DirectoryError: as there, or a line names a unit of another's.
    """
    load = _loader(name)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise refuse([FieldProblem(f"line {line}", "is not UTF-8; save the file as UTF-8")]) from error
    return load(text, beside, own)


def _loader(name: str) -> Callable[[str, Sequence[Unit], Sequence[str] | None], list[Unit]]:
    load = {".csv": load_csv, ".json": load_json}.get(PurePath(name).suffix.lower())
    if load is None:
        raise refuse([FieldProblem("file", "has to end in .csv or .json", name)])
    return load


def load_csv(text: str, beside: Sequence[Unit] = (), own: Sequence[str] | None = None) -> list[Unit]:
    """Read units from values separated by commas, or by semicolons as a Vietnamese Excel writes them.

    The first line is the header; before it may stand ``sep=;``.

    Columns: code, parent, name, kind, link; optional note, opening (hours as ``18:00-21:00``), valid_from, valid_to
    (dates as 2025-07-01), successor, and codes in other schemes as ``scheme=code;scheme2=code2``. An empty field is an
    absent value.

    Raises:
        DirectoryError: ``problems`` names every line and field that is wrong.
    """
    plain = text.removeprefix("\ufeff")
    reader = csv.reader(io.StringIO(plain, newline=""), strict=True, delimiter=_separator(plain))
    listed: list[ListEntry] = []
    try:
        columns = next(reader, [])
        if columns and columns[0] == _SAYS_SEPARATOR:
            columns = next(reader, [])
        _require_columns(columns)
        line = reader.line_num + 1
        for fields in reader:
            if fields:
                _require_room(len(listed), line)
                listed.append(_from_csv(line, columns, fields))
            line = reader.line_num + 1
    except csv.Error as error:
        raise refuse([FieldProblem(f"line {reader.line_num}", f"is not CSV: {error}")]) from error
    return _whole(listed, beside, own)


def _separator(text: str) -> str:
    first = text.partition("\n")[0].strip()
    if first.startswith(_SAYS_SEPARATOR) and first[-1] in ",;":
        return first[-1]
    return ";" if first.count(";") > first.count(",") else ","


def load_json(text: str, beside: Sequence[Unit] = (), own: Sequence[str] | None = None) -> list[Unit]:
    """Read units from a JSON array of objects with the fields of :class:`schemas.unit.Unit`.

    Raises:
        DirectoryError: ``problems`` names every line, index and field that is wrong.
    """
    listed: list[ListEntry] = []
    for index, (line, item, source) in enumerate(_items(text.removeprefix("\ufeff"))):
        _require_room(index, line)
        listed.append(_from_json(f"line {line}, [{index}].", item, source))
    return _whole(listed, beside, own)


def _whole(listed: Sequence[ListEntry], beside: Sequence[Unit], own: Sequence[str] | None) -> list[Unit]:
    if own is not None:
        listed = [_of_own(item, own) for item in listed]
    named = {item.code for item in listed}
    others = [ListEntry(f"{unit.code}, ", unit.code, unit) for unit in beside if unit.code not in named]
    problems = problems_of_list([*listed, *others] if listed else [])
    if problems:
        raise refuse(problems)
    return [item.unit for item in listed if item.unit is not None]


def _of_own(item: ListEntry, own: Sequence[str]) -> ListEntry:
    """An entry as it is, or as one that is wrong by itself: nothing else is said about somebody else's unit."""
    if item.unit is None or any(covers(pattern, item.unit.code) for pattern in own):
        return item
    return ListEntry(item.prefix, item.code, None, (FieldProblem("code", _NOT_YOURS, item.code),))


def _require_columns(columns: Sequence[str]) -> None:
    counts = Counter(columns)
    missing = [name for name in REQUIRED_COLUMNS if name not in counts]
    unknown = [name for name in counts if name not in REQUIRED_COLUMNS + OPTIONAL_COLUMNS]
    twice = sorted(name for name, count in counts.items() if count > 1)
    complaints = [
        *([f"lacks the columns {', '.join(missing)}"] if missing else []),
        *([f"has unknown columns: {_named(map(repr, unknown))}"] if unknown else []),
        *([f"names columns twice: {_named(twice)}"] if twice else []),
    ]
    if complaints:
        raise refuse([FieldProblem("line 1", f"the header {complaint}") for complaint in complaints])


def _named(names: Iterable[str]) -> str:
    """The first few names, each cut to what a reader knows it by."""
    shown = [name if len(name) <= _SHOWN_OF_A_NAME else f"{name[:_SHOWN_OF_A_NAME]}…" for name in names]
    return ", ".join([*shown[:_NAMED_IN_A_LINE], *(["…"] if len(shown) > _NAMED_IN_A_LINE else [])])


def _require_room(count: int, line: int) -> None:
    if count >= MAX_UNITS:
        raise refuse([FieldProblem(f"line {line}", f"a directory has at most {MAX_UNITS} units")])


def _from_csv(line: int, columns: Sequence[str], fields: Sequence[str]) -> ListEntry:
    prefix = f"line {line}, "
    raw: dict[str, Any] = {name: value for name, value in zip(columns, fields, strict=False) if value}
    code = raw.get("code", "")
    if len(fields) != len(columns):
        problem = FieldProblem("", f"has {len(fields)} fields, the header names {len(columns)}")
        return ListEntry(prefix, code, None, (problem,))
    if raw.get("codes", "").count(";") >= MAX_CODES:
        return ListEntry(prefix, code, None, (FieldProblem("codes", f"has more than {MAX_CODES} other codes"),))
    if "codes" in raw:
        raw["codes"] = [_other_code(item) for item in raw["codes"].split(";")]
    return _checked(prefix, code, partial(Unit.model_validate, raw))


def _from_json(prefix: str, item: Any, source: str) -> ListEntry:
    code = str(item.get("code", "")) if isinstance(item, dict) else ""
    if (commas := source.count(",")) > MAX_COMMAS:
        problem = FieldProblem("", f"has {commas} commas; at most {MAX_COMMAS} are read")
        return ListEntry(prefix, code, None, (problem,))
    return _checked(prefix, code, partial(Unit.model_validate_json, source, strict=True))


def _other_code(text: str) -> dict[str, str]:
    scheme, sign, code = text.partition("=")
    return {"scheme": scheme, "code": code} if sign else {"scheme": text}


def _checked(prefix: str, code: str, validate: Callable[[], Unit]) -> ListEntry:
    try:
        return ListEntry(prefix, code, validate())
    except ValidationError as error:
        return ListEntry(prefix, code, None, tuple(problems_of(error)))


def _items(text: str) -> Iterator[tuple[int, Any, str]]:
    """The elements of a JSON array, each with the line it begins on and its own text."""
    elements = _array(text)
    scan = json.JSONDecoder().raw_decode
    line, position, end = 1, 0, text.find("[") + 1
    for element in elements:
        start = _GAP.match(text, end).end()  # type: ignore[union-attr] # the pattern matches everywhere
        line += text.count("\n", position, start)
        position, (_, end) = start, scan(text, start)
        yield line, element, text[start:end]


def _array(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise refuse([FieldProblem(f"line {error.lineno}", f"is not JSON: {error.msg}")]) from error
    except (ValueError, RecursionError) as error:
        raise refuse([FieldProblem("line 1", f"is not JSON of units: {error}")]) from error
    if not isinstance(found, list):
        raise refuse([FieldProblem("line 1", "has to be a JSON array of units")])
    return found
