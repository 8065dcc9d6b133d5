"""What is typed into the form of a letter is the submission that it reads as, or is said to be wrong in its field."""

from zoneinfo import ZoneInfo

import pytest

from router.pages.language import VIETNAMESE, translations
from router.pages.letters import WHOLE, TypedLetter, faults_by_field
from schemas.attachment import Attachment
from schemas.dispatch import Kind, Urgency
from schemas.errors import FieldProblem, InvalidError
from schemas.ids import is_id, new_id

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
SAY = translations(VIETNAMESE).gettext
LETTER = {"issuer": ["LCA.VP"], "notation": ["1-CV/VP"], "subject": ["Họp"], "addressees": ["LCA.02"]}


def test_every_field_becomes_what_a_submission_has() -> None:
    other = new_id()
    typed = TypedLetter.of(
        LETTER
        | {
            "addressees": ["LCA.02.#, !LCA.02.05\r\nLCA.03;LCA.02.#", "LCA.#{commune}"],
            "number": ["7"],
            "urgency": ["4"],
            "due": ["2030-01-02T17:00"],
            "issued_on": ["2026-11-29"],
            "refers_to": [f" {other} {other} "],
            "kind": ["update"],
            "flash_text": ["Rét đậm\r\ntừ ngày 23"],
        }
    )
    file = Attachment(name="a.pdf", size=1, sha256="0" * 64)
    letter = typed.submission([file], ZONE)
    assert letter.addressees == ("LCA.02.#", "!LCA.02.05", "LCA.03", "LCA.#{commune}")
    assert (letter.number, letter.urgency, letter.kind) == (7, Urgency.EXPRESS_TIMED, Kind.UPDATE)
    assert letter.due is not None
    assert letter.due.isoformat() == "2030-01-02T17:00:00+07:00"
    assert (letter.refers_to, letter.flash_text) == ((other,), "Rét đậm\ntừ ngày 23")
    assert letter.attachments == (file,)


def test_the_key_of_a_form_is_kept_and_one_that_is_none_is_made_anew() -> None:
    once = new_id()
    assert TypedLetter.of({"once": [once]}).once == once
    for text in ("", "x", "../x", "0" * 36):
        made = TypedLetter.of({"once": [text]}).once
        assert is_id(made)
        assert made != text


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("number", "7a"),
        ("number", "\u0667"),
        ("number", "9" * 30),
        ("urgency", "5"),
        ("due", "0001-01-01T00:00"),
        ("due", "soon"),
        ("issued_on", "29/11/2026"),
        ("kind", "none"),
        ("secrecy", "x"),
        ("refers_to", "x"),
        ("issuer", "lca"),
        ("subject", "a\u202eb"),
    ],
)
def test_what_cannot_be_read_is_wrong_in_its_own_field(field: str, text: str) -> None:
    with pytest.raises(InvalidError) as caught:
        TypedLetter.of(LETTER | {field: [text]}).submission((), ZONE)
    assert set(faults_by_field(caught.value.problems, SAY)) == {field}


def test_what_is_wrong_between_fields_and_with_a_part_has_its_place_too() -> None:
    problems = [FieldProblem("(whole)", "x"), FieldProblem("part 3.name", "y"), FieldProblem("addressees.7", "z")]
    found = faults_by_field(problems, SAY)
    assert {name: [fault.problem for fault in faults] for name, faults in found.items()} == {
        WHOLE: ["x"],
        "attachments": ["y"],
        "addressees": ["z"],
    }
