"""The words of officials: what the console used to call things is nowhere any more, in no catalogue, page or paper."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from router.ledger.people.audit import Act
from router.ledger.people.persons import PersonRole
from router.ledger.queries import Flag
from router.pages.language import ENGLISH, LOCALE, VIETNAMESE, translations
from router.words.terms import ACTS, FLAGS, ROLES, STATES
from schemas.states import Status

ROOT = Path(__file__).parents[3]
OLD_WORDS = {
    r"^Kiểm tra$": "Nhật ký thao tác",
    r"nhật ký kiểm tra": "nhật ký thao tác",
    r"người kiểm tra": "người giám sát",
    r"chờ xử lý": "bị giữ lại",
    r"\bhỏng\b": "lỗi",
    r"^Ai$": "Người thực hiện",
    r"^Việc$": "Thao tác",
    r"^Lúc$": "Thời gian",
    r"^Từ$": "Địa chỉ",
    r"\bmọi\b": "tất cả",
    r"vì sao bây giờ": "lý do gửi lại",
    r"nơi và ngày": "địa danh, ngày ban hành",
    r"nơi gửi\b": "cơ quan ban hành",
    r"lâu nhất trên đường": "chờ lâu nhất",
    r"(đang|một văn bản) trên đường\b(?! truyền)": "đang chuyển",
    r"\bnó\b": "the noun itself",
    r"tắt báo": "tạm ngừng cảnh báo",
    r"^Sẵn sàng$": "Tỷ lệ thông tuyến",
    r"giấy xác nhận để in": "in giấy xác nhận",
    r"được nhắc đến": "văn bản liên quan",
    r"một nửa": "50% …",
    r"^Tên$": "Tên đăng nhập",
    r"\d\s+%": "a number and its per cent without a space",
    r"\bP(50|95|99)\b": "50% trong vòng, 95% trong vòng",
    r"\bms\b": "seconds; people read no milliseconds",
}
"""What is written no more, and what stands in its place."""
_PERCENT = re.compile(r"%%")
_READ_BY_PEOPLE = (
    *("router/console/**/*.html", "router/console/**/*.py", "router/pages/**/*.py", "router/words/**/*.py"),
    *("docs/**/*.md", "router/cli/*.py", "consumers/**/*.py"),
)


def _catalogue() -> Iterator[tuple[str, str]]:
    with (LOCALE / "vi.po").open("rb") as source:
        for message in read_po(source, locale=VIETNAMESE):
            texts = (message.string,) if isinstance(message.string, str) else message.string
            for text in texts or () if message.id else ():
                yield str(message.id), _PERCENT.sub("%", text)


@pytest.mark.parametrize("old", OLD_WORDS)
def test_no_translation_says_an_old_word(old: str) -> None:
    flags = 0 if old.startswith("^") else re.IGNORECASE  # a heading; the same word within a sentence is none
    found = {key: text for key, text in _catalogue() if re.search(old, text, flags)}
    assert not found, f"write: {OLD_WORDS[old]}"


@pytest.mark.parametrize("old", [old for old in OLD_WORDS if not old.startswith("^") and not old.isascii()])
def test_no_page_command_or_document_says_an_old_word(old: str) -> None:
    files = {file for pattern in _READ_BY_PEOPLE for file in ROOT.glob(pattern)}
    assert len(files) > 50
    found = [file for file in files if re.search(old, file.read_text("utf-8"), re.IGNORECASE)]
    assert not found, f"write: {OLD_WORDS[old]}"


def test_the_words_that_officials_asked_for_are_said() -> None:
    say = translations(VIETNAMESE).gettext
    assert say(STATES[Status.PARKED].label) == "bị giữ lại"
    assert say(FLAGS[Flag.PARKED].label) == "Bị giữ lại"
    assert say(ROLES[PersonRole.AUDITOR]) == "người giám sát"
    assert say("Audit") == "Nhật ký thao tác"
    assert [say(word) for word in ("Who", "Act", "Time", "Address")] == [
        *("Người thực hiện", "Thao tác", "Thời gian", "Địa chỉ"),
    ]
    assert say("Available") == "Tỷ lệ thông tuyến"
    assert say(ACTS[Act.UNIT_MUTED]) == "tạm ngừng cảnh báo một đơn vị"
    assert translations(ENGLISH).gettext("Audit") == "Audit"
