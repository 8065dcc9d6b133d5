"""What stands in a register (sổ) of documents: the columns of Decree 30/2020, Appendix IV, and the fields of its VI.

One form for what comes and what goes: a book shows the columns that it has.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from schemas.clock import Day, day_at, to_ms
from schemas.dispatch import Letter, Secrecy, Urgency
from schemas.model import Travelling
from schemas.text import Name, OneLine

SECRET_BOOK = "Mật"  # noqa: S105 - the name of a book
"""The name of the books for state secrets, which have series of numbers of their own that others do not see.

Further ones begin with it and a space: see :func:`is_secret_book`.
"""


def is_secret_book(name: str) -> bool:
    """Whether a book of this name is one of state secrets.

    >>> is_secret_book("Mật"), is_secret_book("Mật khôi phục"), is_secret_book("Mậtvụ")
    (True, True, False)
    """
    return f"{name} ".startswith(f"{SECRET_BOOK} ")


class BookKind(StrEnum):
    """Which way the documents of a book go."""

    INCOMING = "incoming"
    """Sổ đăng ký văn bản đến."""
    OUTGOING = "outgoing"
    """Sổ đăng ký văn bản đi."""


_Line = Annotated[OneLine, Field(max_length=200)]


class RegisterFields(Travelling):
    """The fields of an entry, without its number; texts as the clerk writes them, days by the office's calendar."""

    day: Day
    """Ngày đến, or the day that a document of the unit's own bears."""
    hour: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] | None = None
    """Giờ đến, as ``08:30``; written down for urgent documents."""
    author: _Line = ""
    """Tác giả: the body or person that issued it."""
    notation: Annotated[OneLine, Field(max_length=100)] = ""
    """Số, ký hiệu văn bản."""
    issued_on: Day | None = None
    """Ngày tháng văn bản."""
    type: Name = "công văn"
    """Tên loại."""
    subject: Annotated[OneLine, Field(min_length=1, max_length=500)]
    """Trích yếu nội dung."""
    signer: _Line = ""
    """Người ký."""
    position: _Line = ""
    """Chức vụ of whoever signed it."""
    urgency: Urgency = Urgency.NORMAL
    """Độ khẩn."""
    secrecy: Secrecy = Secrecy.NONE
    """Độ mật."""
    pages: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Số trang."""
    copies: Annotated[int, Field(ge=1, le=100_000)] | None = None
    """Số lượng bản, of what goes out."""
    recipients: Annotated[OneLine, Field(max_length=500)] = ""
    """Đơn vị hoặc người nhận; of what goes out, Nơi nhận văn bản."""
    keeper: _Line = ""
    """Đơn vị, người nhận bản lưu, of what goes out."""
    passed_on: Day | None = None
    """Ngày chuyển."""
    due: Day | None = None
    """Thời hạn giải quyết."""
    file_number: Annotated[OneLine, Field(max_length=50)] = ""
    """Hồ sơ số."""
    note: Annotated[OneLine, Field(max_length=500)] = ""
    """Ghi chú."""


def from_letter(letter: Letter, *, day: Day, author: str, timezone: str, hour: str | None = None) -> RegisterFields:
    """What a letter says of the fields; the clerk completes them.

    Args:
        letter: as it came.
        day: on which.
        author: the issuer's name.
        timezone: IANA name of the office's zone: whose day a deadline is.
        hour: at which, see :class:`RegisterFields`.
    """
    return RegisterFields(
        day=day,
        hour=hour,
        author=author[:200],
        notation=letter.notation[:100],
        issued_on=letter.issued_on,
        type=letter.type,
        subject=letter.subject,
        signer=letter.signer,
        urgency=letter.urgency,
        secrecy=letter.secrecy,
        due=None if letter.due is None else day_at(to_ms(letter.due), timezone),
    )
