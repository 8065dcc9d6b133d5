"""The tutorial's pictures: those that a clerk's day takes, each where a page shows it."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
TUTORIAL = ROOT / "docs" / "tutorial"
DAY = ROOT / "tests" / "integration" / "desk" / "test_desk_whole_day.py"
_MOST_BYTES = 80_000


def test_every_picture_is_shown_once_with_words_and_was_taken_by_the_test_of_a_clerks_day() -> None:
    pages = "".join(page.read_text("utf-8") for page in TUTORIAL.glob("*.md"))
    shown = re.findall(r"!\[(.+)\]\(pictures/(.+)\.webp\)", pages)
    taken = re.findall(r'picture\(\w+, "(.+)"\)', DAY.read_text("utf-8"))
    assert sorted(name for _, name in shown) == sorted(taken)
    assert {file.stem for file in (TUTORIAL / "pictures").iterdir()} == set(taken)
    for file in (TUTORIAL / "pictures").iterdir():
        content = file.read_bytes()
        assert (content[:4], content[8:12]) == (b"RIFF", b"WEBP"), file.name
        assert len(content) < _MOST_BYTES, f"{file.name} is for people behind modems, too"
