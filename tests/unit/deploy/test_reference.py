"""The committed reference is what the code says now."""

from pathlib import Path

import pytest

from deploy.bounds import bounds_page
from deploy.reference import command_page, configuration_page, event_page, exit_page, openapi_document
from schemas.events import Event

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("configuration.md", configuration_page),
        ("cli.md", command_page),
        ("exit-codes.md", exit_page),
        ("events.md", event_page),
        ("openapi.json", openapi_document),
        ("bounds.md", bounds_page),
    ],
)
def test_a_page_is_current(name: str, page: object) -> None:
    assert callable(page)
    committed = (REFERENCE / name).read_text("utf-8")
    assert committed == page(), "run: python -m deploy.reference docs/reference"


def test_every_event_has_its_sentence() -> None:
    page = event_page()
    for event in Event:
        assert f"| `{event.value}` | " in page


def test_every_member_of_the_list_is_a_lower_case_word() -> None:
    for event in Event:
        assert event.value == event.name.lower()
