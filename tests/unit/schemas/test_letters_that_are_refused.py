"""What a letter says has to be meant: a truth is no number, and a byte-order mark is no fault."""

import json
from codecs import BOM_UTF8
from typing import Any

import pytest

from schemas.dispatch import Submission
from schemas.errors import InvalidError
from schemas.model import parse

LETTER: dict[str, Any] = {"notation": "1", "subject": "s", "issuer": "LCA", "addressees": ["LCA.02"]}


@pytest.mark.parametrize("field", ["urgency", "number"])
@pytest.mark.parametrize("value", [True, False, "1", 1.5])
def test_what_is_no_number_is_no_number(field: str, value: object) -> None:
    with pytest.raises(InvalidError) as caught:
        parse(Submission, json.dumps(LETTER | {field: value}), what="submission")
    assert [item.field for item in caught.value.problems] == [field]


def test_a_byte_order_mark_before_a_letter_is_passed_over() -> None:
    body = json.dumps(LETTER).encode()
    assert parse(Submission, BOM_UTF8 + body, what="submission") == parse(Submission, body, what="submission")
    assert parse(Submission, "\ufeff" + body.decode(), what="submission").issuer == "LCA"
