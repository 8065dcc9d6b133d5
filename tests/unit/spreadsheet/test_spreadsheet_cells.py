"""No cell of a file is a formula, at whichever sign a program splits its lines."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.pages.spreadsheet import Separator, inert, lines

STARTS = "=+-@\uff1d\uff0b\uff0d\uff20"


@given(
    st.lists(st.text(alphabet="=+-@\uff1d,;\t\r\n\"' aà1", max_size=12), min_size=1, max_size=4),
    st.sampled_from(Separator),
)
def test_no_part_of_a_cell_begins_a_formula(cells: list[str], separator: Separator) -> None:
    for cell in cells:
        told = inert(cell)
        for sign in ",;\t\r\n":
            assert not any(part.startswith(tuple(STARTS)) for part in told.split(sign)), (cell, told)
        assert told.replace("'", "") == cell.replace("'", "")
    (read,) = csv.reader(io.StringIO(lines([cells], separator), newline=""), delimiter=separator.value)
    assert read == [inert(cell) for cell in cells]


@pytest.mark.parametrize(
    ("cell", "told"), [(None, ""), (-5, "-5"), (0.5, "0.5"), ("=A1", "'=A1"), ("12-CV/TU", "12-CV/TU"), ("\tx", "'\tx")]
)
def test_numbers_stay_numbers_and_words_words(cell: object, told: str) -> None:
    assert inert(cell) == told
