"""When tracking a dispatch is over, and what its first line says."""

import io
from datetime import datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from router.cli import track
from router.cli.api_client import _problem
from schemas.attachment import media_type_of
from schemas.zone import zone


def dispatch(*states: tuple[str, bool]) -> dict[str, Any]:
    """A dispatch as the API shows it; each addressee by its state and whether something is sent by itself."""
    names = [state for state, _ in states]
    return {
        "notation": "1-CV",
        "subject": "Họp",
        "arrived": sum(name in {"arrived", "completed"} for name in names),
        "states": {name: names.count(name) for name in sorted(set(names))},
        "deliveries": [
            {
                "unit": f"LCA.{number}",
                "unit_name": "[red]Xã",
                "state": state,
                "state_at": "2026-11-22T05:04:03.210Z",
                "register_number": "",
                "reason": "",
                "bytes_held": None,
                "bytes_total": None,
                "line_down_since": None,
                "next_due_at": "2026-11-22T05:04:03.210Z" if moves else None,
            }
            for number, (state, moves) in enumerate(states)
        ],
    }


@pytest.mark.parametrize(
    ("states", "settled", "complete"),
    [
        ([("arrived", False), ("completed", False)], True, True),
        ([("arrived", False), ("taken", True)], False, False),
        ([("arrived", False), ("pending", False)], True, False),
        ([("arrived", False), ("parked", False)], True, False),
        ([("queued", True)], False, False),
        ([("recalled", False)], True, False),
    ],
)
def test_watching_ends_when_nothing_moves_by_itself(
    states: list[tuple[str, bool]],
    settled: bool,  # noqa: FBT001 - a table's column
    complete: bool,  # noqa: FBT001 - as above
) -> None:
    seen = dispatch(*states)
    assert track.is_settled(seen) is settled
    assert track.is_complete(seen) is complete


def test_the_first_line_counts_the_arrived_and_every_state() -> None:
    seen = dispatch(("arrived", False), ("arrived", False), ("taken", True))
    assert track.headline(seen) == "1-CV Họp: 2/3 arrived · 2 arrived · 1 taken"


def test_what_is_on_its_way_shows_how_far_it_has_come_and_whether_its_line_is_down() -> None:
    since = datetime.now(zone()).replace(hour=14, minute=2, second=33)
    came = {"bytes_held": 3_100, "bytes_total": 5_000, "line_down_since": None}
    waits = {"bytes_held": None, "bytes_total": None, "line_down_since": since.isoformat()}
    assert track.progress(came) == "62%"
    assert track.progress(came | {"line_down_since": since.isoformat()}) == "62%, line down since 14:02"
    assert track.progress(waits) == "line down since 14:02"
    long_ago = (since - timedelta(days=3)).isoformat()
    assert track.progress(waits | {"line_down_since": long_ago}).endswith(" 14:02")
    assert track.progress(waits | {"line_down_since": None}) == ""


def test_what_a_unit_wrote_is_shown_as_text_not_as_markup() -> None:
    drawn = io.StringIO()
    Console(file=drawn, width=120).print(track._picture(dispatch(("arrived", False))))
    assert "[red]Xã" in drawn.getvalue()


@pytest.mark.parametrize("text", ["", "<html>502</html>", "[]", '{"errors": 1}', '{"errors": [{}]}', "null"])
def test_an_answer_that_is_no_problem_document_is_still_told(text: str) -> None:
    error = _problem(502, "Bad Gateway", text)
    assert error.status == 502
    assert "502 Bad Gateway" in str(error)
    assert "CONGVAN_API_URL" in error.hint


def test_a_problem_is_told_with_its_fields() -> None:
    text = '{"title": "x", "detail": "not valid", "errors": [{"field": "issuer", "problem": "is wrong"}]}'
    assert str(_problem(422, "", text)) == "not valid: issuer: is wrong"


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.pdf", "application/pdf"),
        ("a.PNG", "image/png"),
        *((name, "application/octet-stream") for name in ("a.tar.gz", "a.unknown", "a")),
    ],
)
def test_a_files_type_is_known_by_its_ending(name: str, media_type: str) -> None:
    assert media_type_of(name) == media_type


def test_what_is_owed_is_told_with_its_term_and_how_late_it_is() -> None:
    at = datetime.now(zone()).replace(hour=17, minute=0, second=0)
    late = {"duty": "send_again", "latest": at.isoformat(), "late_seconds": 9000}
    assert track.owed({"owed": [late]}) == "send again by 17:00 (late 2.5 h)"
    assert track.owed({"owed": [late | {"late_seconds": 0}]}) == "send again by 17:00"
    assert track.owed({"owed": [{"duty": "process", "latest": None, "late_seconds": 0}]}) == "process"
    assert track.owed({"owed": []}) == track.owed({}) == ""
