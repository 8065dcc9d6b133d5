"""Lists as spreadsheet programs open them: UTF-8 with its mark, one of two separators, and no cell that is a formula.

Excel splits a file at the list separator of its Windows, which is ``;`` where the comma is the decimal sign, as in
Vietnam; it asks nobody. A first line ``sep=;`` would tell it, but by many reports it then no longer takes the bytes for
UTF-8. So the file has the mark (BOM) and no such line, and its reader says once which separator they need.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from enum import StrEnum

BOM = "\ufeff"
"""Spreadsheet programs take UTF-8 for what it is only with it."""
_FORMULA = re.compile(r"(^|[\t\r\n,;])(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")
"""What begins a formula, also after a sign at which a program may split the file that this one did not mean."""


class Separator(StrEnum):
    """What stands between the cells of a line."""

    COMMA = ","
    SEMICOLON = ";"


def inert(cell: object) -> str:
    """A cell that is no formula, which a spreadsheet program would run (OWASP, CSV injection).

    >>> inert("=1+1"), inert("a;=1+1"), inert("Công văn 12-CV/TU"), inert(-5)
    ("'=1+1", "a;'=1+1", 'Công văn 12-CV/TU', '-5')
    """
    if isinstance(cell, int | float):
        return str(cell)
    text = "" if cell is None else str(cell)
    guarded = _FORMULA.sub(r"\1'", text)
    return f"'{guarded}" if text.startswith(("\t", "\r", "\n")) else guarded


def lines(rows: Iterable[Sequence[object]], separator: Separator) -> str:
    """Rows as lines of a file, each cell inert."""
    text = io.StringIO()
    csv.writer(text, delimiter=separator.value).writerows([inert(cell) for cell in row] for row in rows)
    return text.getvalue()
