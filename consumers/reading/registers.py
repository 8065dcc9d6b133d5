"""The registers as Decree 30/2020, Appendix IV, has them printed: their columns, in its words, and an entry's cells.

The forms are Vietnamese in every language of the screen. Days are written as there, ``29/11/2026``.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum

from consumers.spool.book_entries import Entry, EntryState
from schemas.register import RegisterFields
from schemas.zone import zone

Cell = Callable[[Entry, RegisterFields], str]
_NOBODY_YET = ""
"""Ký nhận: whoever takes a document signs on the printed page."""


class Form(StrEnum):
    """The forms of the decree: what came, what went out, how what came is dealt with."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"
    FOLLOWING = "following"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its heading, what an entry has in it, and whether that is the entry's own number."""

    heading: str
    cell: Cell
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a document is, for the form that follows it: words for its state, number and notation of its answer."""

    words: str = ""
    answer: str = ""


def rows(form: Form, entries: Iterable[Entry], progress: Mapping[str, Progress] | None = None) -> list[list[str]]:
    """The lines of a form, one for each number of the book.

    Args:
        form: which.
        entries: of a book, in the order of their numbers.
        progress: of what came by the line, by its delivery; for the form that follows it.
    """
    return [_row(form, entry, (progress or {}).get(entry.delivery_id or "", Progress())) for entry in entries]


@dataclass(frozen=True, slots=True)
class PrintedCell:
    """What a printed cell says, and, struck through, what it said before it was put right, oldest first."""

    now: str
    before: tuple[str, ...] = ()


def printed_rows(
    form: Form, entries: Iterable[Entry], progress: Mapping[str, Progress] | None = None
) -> list[list[PrintedCell]]:
    """The lines of a form as they are printed; arguments as of :func:`rows`."""
    return [_printed(form, entry, (progress or {}).get(entry.delivery_id or "", Progress())) for entry in entries]


def headings(form: Form) -> list[str]:
    """The form's columns, as the decree names them."""
    following = ["Tiến độ giải quyết", "Số, ký hiệu văn bản trả lời"] if form is Form.FOLLOWING else []
    named = [column.heading for column in _COLUMNS[form]]
    return [*named[:-1], *following, named[-1]]


_WITHOUT_FIELDS = {EntryState.RESERVED: "Lấy số trước", EntryState.STRUCK: "Hủy", EntryState.LOST: "Chờ ghi lại"}


def day_words(day: date | None) -> str:
    """``29/11/2026``; empty without a day."""
    return "" if day is None else f"{day:%d/%m/%Y}"


def _row(form: Form, entry: Entry, progress: Progress) -> list[str]:
    said = entry.fields
    if said is None:
        told = entry.versions[-1].by.reason
        reason = f"{_WITHOUT_FIELDS[entry.state]}: {told}"
        cells = [str(entry.number) if column.is_number else "" for column in _COLUMNS[form]]
        cells[-1] = reason
    else:
        cells = [column.cell(entry, said) for column in _COLUMNS[form]]
    following = [progress.words, progress.answer] if form is Form.FOLLOWING else []
    return [*cells[:-1], *following, cells[-1]]


def _printed(form: Form, entry: Entry, progress: Progress) -> list[PrintedCell]:
    *earlier, now = (
        _row(form, replace(entry, versions=entry.versions[: index + 1]), progress)
        for index, version in enumerate(entry.versions)
        if version.fields is not None or index == len(entry.versions) - 1
    )
    columns = list(zip(*earlier, strict=True)) or [()] * len(now)
    cells = [
        PrintedCell(text, tuple(was for was in dict.fromkeys(before) if was != text))
        for text, before in zip(now, columns, strict=True)
    ]
    return [*cells[:-1], PrintedCell(now[-1])]  # what was remarked stands in the last remark


def _number(entry: Entry, _: RegisterFields) -> str:
    return str(entry.number)


def _outgoing_number(entry: Entry, said: RegisterFields) -> str:
    """Số, ký hiệu: the notation holds the number as soon as there is one."""
    return said.notation or str(entry.number)


def _arrived(_: Entry, said: RegisterFields) -> str:
    return " ".join(filter(None, (day_words(said.day), said.hour)))


def _content(_: Entry, said: RegisterFields) -> str:
    """Tên loại và trích yếu."""
    return f"{_type(said)}: {said.subject}"


def _origin(_: Entry, said: RegisterFields) -> str:
    """Tên loại, số, ký hiệu, ngày tháng và tên cơ quan ban hành."""
    told = (f"{_type(said)} {said.notation}".strip(), day_words(said.issued_on), said.author)
    return ", ".join(filter(None, told))


def _type(said: RegisterFields) -> str:
    return f"{said.type[:1].upper()}{said.type[1:]}"


def _remarks(entry: Entry, said: RegisterFields) -> str:
    """Ghi chú, and what became of the entry since it was written."""
    last = entry.versions[-1]
    remarks = [said.note]
    if last.state is EntryState.STRUCK:
        remarks.append(f"Hủy: {last.by.reason}")
    elif len(entry.versions) > 1 and entry.versions[-2].fields is not None:
        written = datetime.fromtimestamp(last.by.at / 1000, zone()).date()
        remarks.append(f"Sửa ngày {day_words(written)}: {last.by.reason}")
    return "; ".join(filter(None, remarks))


_COLUMNS: dict[Form, tuple[Column, ...]] = {
    Form.INCOMING: (
        Column("Ngày đến", _arrived),
        Column("Số đến", _number, is_number=True),
        Column("Tác giả", lambda _, said: said.author),
        Column("Số, ký hiệu văn bản", lambda _, said: said.notation),
        Column("Ngày tháng văn bản", lambda _, said: day_words(said.issued_on)),
        Column("Tên loại và trích yếu nội dung văn bản", _content),
        Column("Đơn vị hoặc người nhận", lambda _, said: said.recipients),
        Column("Ngày chuyển", lambda _, said: day_words(said.passed_on)),
        Column("Ký nhận", lambda _entry, _said: _NOBODY_YET),
        Column("Ghi chú", _remarks),
    ),
    Form.OUTGOING: (
        Column("Số, ký hiệu văn bản", _outgoing_number, is_number=True),
        Column("Ngày tháng văn bản", lambda _, said: day_words(said.issued_on or said.day)),
        Column("Tên loại và trích yếu nội dung văn bản", _content),
        Column("Người ký", lambda _, said: said.signer),
        Column("Nơi nhận văn bản", lambda _, said: said.recipients),
        Column("Đơn vị, người nhận bản lưu", lambda _, said: said.keeper),
        Column("Số lượng bản", lambda _, said: "" if said.copies is None else str(said.copies)),
        Column("Ngày chuyển", lambda _, said: day_words(said.passed_on)),
        Column("Ký nhận", lambda _entry, _said: _NOBODY_YET),
        Column("Ghi chú", _remarks),
    ),
    Form.FOLLOWING: (
        Column("Số đến", _number, is_number=True),
        Column("Tên loại, số, ký hiệu, ngày tháng và tên cơ quan ban hành văn bản", _origin),
        Column("Đơn vị hoặc người nhận", lambda _, said: said.recipients),
        Column("Thời hạn giải quyết", lambda _, said: day_words(said.due)),
        Column("Ghi chú", _remarks),
    ),
}
