"""The gateway's commands at a terminal: Vietnamese where LANG says so, as the pages have it, readable at 80 columns."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from consumers.cli import acts, outbox, showing, words
from consumers.cli.showing import show_document, show_entries
from consumers.cli.words import ERRORS, STATES, URGENCIES, say, speaks_vietnamese
from consumers.desk import words as desk
from consumers.reading.inbox import add_person_receipt, descriptor_of, list_inbox, receipts_of
from consumers.spool import Spool
from consumers.spool.sending import SentDocument
from deploy.exits import report
from router.pages.language import VIETNAMESE, translations
from schemas.dispatch import Urgency
from schemas.errors import TransitionError
from schemas.states import Status
from support.deliveries import came

COMMANDS = Path(words.__file__).parent
NARROW = 80
_STYLES = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def vietnamese(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "vi_VN.UTF-8")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Makes standard output a terminal of so many columns."""

    def of(columns: int) -> None:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", str(columns))

    return of


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"LANG": "vi_VN.UTF-8"}, True),
        ({"LANG": "vi"}, True),
        ({"LANG": "C.UTF-8"}, False),
        ({"LANG": "vi_VN.UTF-8", "LC_ALL": "C.UTF-8"}, False),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "vi_VN"}, True),
        ({"LANG": "vi_VN", "LC_ALL": ""}, True),
        ({"LANG": "vie"}, False),
        ({}, False),
    ],
)
def test_the_language_is_that_of_the_terminals_messages(environ: dict[str, str], *, expected: bool) -> None:
    assert speaks_vietnamese(environ) is expected


def said_in_code() -> Iterator[str]:
    """Every message that the commands say."""
    for path in COMMANDS.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"say", "said"}:
                yield from (str(arg.value) for arg in node.args if isinstance(arg, ast.Constant))
            if isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple):
                yield from (str(part.value) for part in node.value.elts[:1] if isinstance(part, ast.Constant))


@pytest.mark.usefixtures("vietnamese")
def test_every_message_has_its_vietnamese_and_keeps_its_places() -> None:
    messages = {*said_in_code(), *STATES.values(), *URGENCIES, *ERRORS.values()}
    messages |= {*(line for line, _ in acts.ACTS.values()), *showing._HEADINGS, *outbox._HEADINGS}
    assert len(messages) > 60
    for message in messages:
        translated = words._VI[message]
        assert translated.count("%(") == message.count("%(")


@pytest.mark.usefixtures("vietnamese")
def test_states_and_urgencies_are_called_as_on_the_pages() -> None:
    catalogue = translations(VIETNAMESE).gettext
    assert {status: word.label for status, word in desk.STATES.items()} == STATES
    assert tuple(desk.URGENCIES[degree] for degree in Urgency) == URGENCIES
    for label in (*STATES.values(), *URGENCIES):
        assert say(label) == catalogue(label)


@pytest.mark.usefixtures("vietnamese")
@pytest.mark.parametrize("columns", [NARROW, 200])
def test_the_inbox_is_readable_on_a_small_terminal(
    spool: Spool, terminal: Callable[[int], None], capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    subject = "Về việc triển khai các biện pháp phòng, chống rét đậm, rét hại cho cây trồng, vật nuôi vụ đông xuân"
    came(spool, subject=subject, urgency=Urgency.EXPRESS)
    terminal(columns)
    show_entries(list_inbox(spool), [], as_json=False)
    shown = _STYLES.sub("", capsys.readouterr().out)
    assert max(map(len, shown.splitlines())) <= columns
    words_shown = shown.split()
    for word in ("Chưa", "123-CV/TU", "tốc", "trích", *subject.split()):
        assert any(word in part for part in words_shown), word


@pytest.mark.usefixtures("vietnamese")
def test_one_document_is_shown_with_what_was_said_of_it(spool: Spool, capsys: pytest.CaptureFixture[str]) -> None:
    delivery = came(spool)
    entry = add_person_receipt(spool, delivery, Status.REGISTERED, register_number="57", person="Nguyễn Thị Hoa")
    show_document(entry, descriptor_of(spool, delivery), receipts_of(spool, delivery), as_json=False)
    shown = capsys.readouterr().out
    for part in ("trích yếu", "Đã vào sổ", "số đến 57 Nguyễn Thị Hoa (chưa gửi đi)"):
        assert part in shown


@pytest.mark.usefixtures("vietnamese")
@pytest.mark.parametrize("columns", [NARROW, 240])
def test_the_outbox_is_readable_on_a_small_terminal(
    terminal: Callable[[int], None], capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    why = "the router refused it: addressees.0 is no unit"
    item = SentDocument("1", "x", "LCA.02", "15/BC-UBND", "Báo cáo", 1, 0, "rejected", 0, why, 10_000, 5, None, None)
    terminal(columns)
    outbox._show([item], as_json=False)
    shown = _STYLES.sub("", capsys.readouterr().out)
    assert max(map(len, shown.splitlines())) <= columns
    for part in ("không gửi được", "15/BC-UBND", "khẩn"):
        assert part in shown


@pytest.mark.usefixtures("vietnamese")
def test_what_went_wrong_is_said_in_vietnamese_with_the_details_after_it(capsys: pytest.CaptureFixture[str]) -> None:
    report(TransitionError("123-CV/TU is completed"))
    said = capsys.readouterr().err
    assert said == "congvan: Trạng thái của văn bản không cho phép việc này. 123-CV/TU is completed\n"
