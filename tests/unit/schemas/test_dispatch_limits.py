"""A submission: what is let in, and that every error names its field."""

import json
from typing import Any

import pytest
from hypothesis import given, settings

from schemas.attachment import content_digest
from schemas.dispatch import Lane, Submission, Urgency, lane_of
from schemas.errors import InvalidError
from schemas.ids import new_id
from schemas.model import parse
from support.letters import SHA, submission_fields, submissions


def read(**changed: Any) -> Submission:
    return parse(Submission, json.dumps(submission_fields(**changed)), what="submission")


def file(**changed: Any) -> dict[str, Any]:
    return {"name": "a.pdf", "size": 1, "sha256": SHA} | changed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("notation", ...),
        ("notation", " "),
        ("notation", "x" * 201),
        ("subject", ""),
        ("subject", "x" * 501),
        ("subject", "hai\ndòng"),
        ("issuer", "lca"),
        ("number", 0),
        ("number", "5"),
        ("number", 1.0),
        ("kind", "destroy"),
        ("urgency", 5),
        ("urgency", "1"),
        ("secrecy", "cosmic"),
        ("due", 1_763_800_000),
        ("due", "1763800000"),
        ("due", "2026-11-22"),
        ("due", "9999-12-31T23:59:59-12:00"),
        ("due", "0001-01-01T00:00:00+00:00"),
        ("due", "2026-11-22T05:04:03"),
        ("issued_on", 20000),
        ("issued_on", "86400"),
        ("issued_on", "2026-11-22T00:00:00Z"),
        ("issued_on", "2026-02-30"),
        ("flash_text", "ề" * 700),
        ("addressees", []),
        ("addressees", ["A"] * 1001),
        ("addressees.1", ["LCA", "A" * 201]),
        ("refers_to.0", ["no uuid"]),
        ("refers_to", [new_id()] * 21),
        ("attachments", [file()] * 51),
        ("attachments.0.size", [file(size=-1)]),
        ("attachments.0.size", [file(size=2 * 1024**3 + 1)]),
        ("attachments.0.sha256", [file(sha256="AB" * 32)]),
        ("attachments.0.media_type", [file(media_type="pdf")]),
        ("attachments.0.name", [file(name="")]),
        ("attachments.0.path", [file(path="/etc/passwd")]),
        ("colour", "red"),
    ],
)
def test_a_field_that_is_wrong_is_refused_by_its_name(field: str, value: Any) -> None:
    with pytest.raises(InvalidError) as caught:
        read(**{field.split(".", maxsplit=1)[0]: value})
    assert [problem.field for problem in caught.value.problems] == [field]
    assert f"{field}: " in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"urgency": 4}, "`due`"),
        ({"kind": "recall"}, "`refers_to`"),
        ({"attachments": [file(), file(sha256="cd" * 32)]}, "a.pdf"),
        ({"attachments": [file(name="a/b"), file(name="a:b")]}, "a_b"),
    ],
)
def test_fields_that_do_not_agree_are_refused_with_what_is_missing(changed: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidError, match=says):
        read(**changed)


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '"text"', b"\xff\xfe"])
def test_what_is_no_object_at_all_is_refused_as_a_whole(body: str | bytes) -> None:
    with pytest.raises(InvalidError) as caught:
        parse(Submission, body, what="submission")
    assert caught.value.problems[0].field == "(whole)"


def test_every_wrong_field_is_told_at_once_and_long_values_are_shortened() -> None:
    with pytest.raises(InvalidError) as caught:
        read(issuer="x" * 500, urgency=9)
    problems = {item.field: item for item in caught.value.problems}
    assert set(problems) == {"issuer", "urgency"}
    assert len(problems["issuer"].given) == 80


def test_names_and_media_types_are_cleaned() -> None:
    kept = read(attachments=[file(name="../Công văn.PDF", media_type="Application/PDF")]).attachments[0]
    assert (kept.name, kept.media_type) == ("_Công văn.PDF", "application/pdf")


def test_ids_are_kept_in_one_form() -> None:
    one = new_id()
    assert read(refers_to=[one.upper()]).refers_to == (one,)


@settings(max_examples=40)
@given(submissions)
def test_a_submission_survives_being_written_and_read(fields: dict[str, Any]) -> None:
    one = parse(Submission, json.dumps(fields), what="submission")
    assert parse(Submission, one.model_dump_json(), what="submission") == one


@pytest.mark.parametrize(
    ("urgency", "lane"),
    [(0, Lane.NORMAL), (1, Lane.NORMAL), (2, Lane.EXPRESS), (3, Lane.EXPRESS), (Urgency.EXPRESS_TIMED, Lane.EXPRESS)],
)
def test_thuong_khan_and_above_travel_express(urgency: int, lane: Lane) -> None:
    assert lane_of(urgency) is lane


def test_the_contents_digest_depends_on_the_hashes_and_their_order() -> None:
    first, second = read(attachments=[file(), file(name="b", sha256="cd" * 32)]).attachments
    assert content_digest([first, second]) != content_digest([second, first])
    assert content_digest([first]) == content_digest([first.model_copy(update={"name": "other"})])
