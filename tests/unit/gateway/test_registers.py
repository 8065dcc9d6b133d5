"""The registers in the columns of the decree, each number with what became of it."""

from datetime import date

import pytest

from consumers.reading.registers import Form, Progress, headings, rows
from consumers.spool.book_entries import BookKey, Entry, EntryAuthor, EntryState, Version
from schemas.register import BookKind, RegisterFields

KEY = BookKey("LCA.02.05", BookKind.INCOMING, 2026)
SAID = RegisterFields(
    day=date(2026, 11, 29),
    hour="08:30",
    author="Tỉnh ủy Lào Cai",
    notation="123-CV/TU",
    issued_on=date(2026, 11, 27),
    type="công văn",
    subject="Về việc phòng, chống rét",
    signer="Trần Văn A",
    recipients="Ban Thường vụ",
    keeper="Văn thư",
    copies=12,
    passed_on=date(2026, 11, 30),
    due=date(2026, 12, 15),
    note="Kèm phụ lục",
)


def by(reason: str = "", at: int = 1_796_000_000_000) -> EntryAuthor:
    return EntryAuthor("Nguyễn Thị Hoa", at, "Văn phòng", reason)


def entry(*versions: Version, number: int = 57, delivery_id: str | None = None) -> Entry:
    return Entry(KEY, number, delivery_id, versions)


ENTERED = Version(1, EntryState.ENTERED, by(), SAID)


def test_the_arrival_book_has_the_decrees_columns() -> None:
    (row,) = rows(Form.INCOMING, [entry(ENTERED)])
    assert list(zip(headings(Form.INCOMING), row, strict=True)) == [
        ("Ngày đến", "29/11/2026 08:30"),
        ("Số đến", "57"),
        ("Tác giả", "Tỉnh ủy Lào Cai"),
        ("Số, ký hiệu văn bản", "123-CV/TU"),
        ("Ngày tháng văn bản", "27/11/2026"),
        ("Tên loại và trích yếu nội dung văn bản", "Công văn: Về việc phòng, chống rét"),
        ("Đơn vị hoặc người nhận", "Ban Thường vụ"),
        ("Ngày chuyển", "30/11/2026"),
        ("Ký nhận", ""),
        ("Ghi chú", "Kèm phụ lục"),
    ]


def test_the_outgoing_book_has_the_decrees_columns() -> None:
    (row,) = rows(Form.OUTGOING, [entry(ENTERED)])
    assert list(zip(headings(Form.OUTGOING), row, strict=True)) == [
        ("Số, ký hiệu văn bản", "123-CV/TU"),
        ("Ngày tháng văn bản", "27/11/2026"),
        ("Tên loại và trích yếu nội dung văn bản", "Công văn: Về việc phòng, chống rét"),
        ("Người ký", "Trần Văn A"),
        ("Nơi nhận văn bản", "Ban Thường vụ"),
        ("Đơn vị, người nhận bản lưu", "Văn thư"),
        ("Số lượng bản", "12"),
        ("Ngày chuyển", "30/11/2026"),
        ("Ký nhận", ""),
        ("Ghi chú", "Kèm phụ lục"),
    ]


def test_the_book_that_follows_what_came_has_its_progress_and_its_answer() -> None:
    progress = {"d1": Progress("Đang xử lý", "45-BC/ĐU")}
    found = rows(Form.FOLLOWING, [entry(ENTERED, delivery_id="d1"), entry(ENTERED, number=58)], progress)
    assert list(zip(headings(Form.FOLLOWING), *found, strict=True)) == [
        ("Số đến", "57", "58"),
        (
            "Tên loại, số, ký hiệu, ngày tháng và tên cơ quan ban hành văn bản",
            *["Công văn 123-CV/TU, 27/11/2026, Tỉnh ủy Lào Cai"] * 2,
        ),
        ("Đơn vị hoặc người nhận", *["Ban Thường vụ"] * 2),
        ("Thời hạn giải quyết", *["15/12/2026"] * 2),
        ("Tiến độ giải quyết", "Đang xử lý", ""),
        ("Số, ký hiệu văn bản trả lời", "45-BC/ĐU", ""),
        ("Ghi chú", *["Kèm phụ lục"] * 2),
    ]


RESERVED = Version(1, EntryState.RESERVED, by("Chờ ký"), None)


@pytest.mark.parametrize(
    ("versions", "remarks"),
    [
        (
            [ENTERED, Version(2, EntryState.ENTERED, by("Ghi nhầm số"), SAID)],
            "Kèm phụ lục; Sửa ngày 30/11/2026: Ghi nhầm số",
        ),
        (
            [ENTERED, Version(2, EntryState.STRUCK, by("Đăng ký hai lần"), SAID)],
            "Kèm phụ lục; Hủy: Đăng ký hai lần",
        ),
        ([RESERVED], "Lấy số trước: Chờ ký"),
        ([RESERVED, Version(2, EntryState.STRUCK, by("Không ký"), None)], "Hủy: Không ký"),
        ([RESERVED, Version(2, EntryState.ENTERED, by(), SAID)], "Kèm phụ lục"),
    ],
)
def test_what_became_of_a_number_stands_in_its_remarks(versions: list[Version], remarks: str) -> None:
    for form in Form:
        (row,) = rows(form, [entry(*versions)])
        assert len(row) == len(headings(form))
        assert row[-1] == remarks
        assert versions[-1].fields is not None or [cell for cell in row[:-1] if cell] == ["57"]
