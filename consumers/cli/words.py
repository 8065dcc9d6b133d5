"""What the gateway's commands say to people: in Vietnamese where the terminal speaks it, else in English.

A table and not the pages' catalogue, which takes a library that a gateway does not install over its line. Programs read
JSON, or the lines between tabs, which are the same everywhere.
"""

import os
from collections.abc import Mapping
from datetime import datetime

from schemas.states import Status
from schemas.zone import zone

VIETNAMESE = "vi"
STATES: dict[Status, str] = {
    Status.TAKEN: "On its way",
    Status.PARKED: "Cannot be delivered",
    Status.ARRIVED: "Not registered",
    Status.REGISTERED: "In the register",
    Status.ASSIGNED: "Directed",
    Status.PROCESSING: "In work",
    Status.COMPLETED: "Done",
    Status.REFUSED: "Sent back",
    Status.TAKE_BACK_REQUESTED: "Recalled: to be answered",
    Status.CHANGE_ACCEPTED: "Change accepted",
    Status.CHANGE_REFUSED: "Kept after a recall",
    Status.RECALLED: "Given back",
    Status.EXPIRED: "Given up",
}
"""As the desk's pages have them."""
URGENCIES = ("normal", "urgent", "very urgent", "express", "express at a set time")
ERRORS = {
    "UnknownDeliveryError": "There is no such document here.",
    "AmbiguousDeliveryError": "Several documents fit; say which by its id.",
    "TransitionError": "The document's state does not allow that.",
    "BookError": "The register does not allow that.",
    "DocumentMovedError": "Somebody dealt with it meanwhile; look at it again.",
    "UnknownEntryError": "The register has no such number.",
    "SpoolMissingError": "No gateway has run on this machine yet, or its directory is another.",
    "SpoolUnavailableError": "The disk is full or busy; try again in a moment.",
    "ContentNotKeptError": "The document's files are not kept here.",
    "GatewayStoppedError": "The gateway does not run.",
    "SecondGatewayError": "Another gateway works for this unit.",
    "DeskForbiddenError": "That person's roles do not allow it.",
    "InvalidError": "Something is missing or written wrongly.",
}
"""What went wrong, by the error's class."""
_VI = {
    "On its way": "Đang đến",
    "Cannot be delivered": "Không chuyển được",
    "Not registered": "Chưa vào sổ",
    "In the register": "Đã vào sổ",
    "Directed": "Đã chỉ đạo",
    "In work": "Đang xử lý",
    "Done": "Hoàn thành",
    "Sent back": "Đã trả lại",
    "Recalled: to be answered": "Bị thu hồi, chờ trả lời",
    "Change accepted": "Chấp nhận thay đổi",
    "Kept after a recall": "Giữ lại sau đề nghị thu hồi",
    "Given back": "Đã thu hồi",
    "Given up": "Hết hạn chuyển",
    "normal": "thường",
    "urgent": "khẩn",
    "very urgent": "thượng khẩn",
    "express": "hỏa tốc",
    "express at a set time": "hỏa tốc hẹn giờ",
    "There is no such document here.": "Không có văn bản này.",
    "Several documents fit; say which by its id.": "Có nhiều văn bản khớp; hãy ghi rõ mã của văn bản.",
    "The document's state does not allow that.": "Trạng thái của văn bản không cho phép việc này.",
    "The register does not allow that.": "Sổ không cho phép việc này.",
    "Somebody dealt with it meanwhile; look at it again.": "Đã có người xử lý trong lúc này; hãy xem lại văn bản.",
    "The register has no such number.": "Sổ không có số này.",
    "No gateway has run on this machine yet, or its directory is another.": (
        "Máy này chưa chạy chương trình nhận văn bản, hoặc thư mục dữ liệu ở nơi khác."
    ),
    "The disk is full or busy; try again in a moment.": "Đĩa đầy hoặc đang bận; hãy thử lại sau ít phút.",
    "The document's files are not kept here.": "Tệp của văn bản không lưu tại đây.",
    "The gateway does not run.": "Chương trình nhận văn bản không chạy.",
    "Another gateway works for this unit.": "Một máy khác đang nhận văn bản của đơn vị này.",
    "That person's roles do not allow it.": "Vai trò của người này không cho phép.",
    "Something is missing or written wrongly.": "Thiếu thông tin hoặc ghi chưa đúng.",
    "id": "mã",
    "taken": "nhận lúc",
    "unit": "đơn vị",
    "state": "trạng thái",
    "urgency": "độ khẩn",
    "number": "số, ký hiệu",
    "subject": "trích yếu",
    "size": "dung lượng",
    "why": "lý do",
    "issuer": "nơi ban hành",
    "up": "đã gửi",
    "of": "trên",
    "dispatch": "văn bản",
    "delivery": "mã",
    "due": "thời hạn",
    "file": "tệp",
    "text": "nội dung khẩn",
    "here": "đã có",
    "tries": "số lần thử",
    "No documents.": "Không có văn bản.",
    "Nothing was sent from here.": "Chưa gửi văn bản nào từ đây.",
    "Nothing is on its way.": "Không có văn bản đang đến.",
    "The gateway does not run: nothing comes.": "Chương trình nhận văn bản không chạy: không có gì đến.",
    "%(unit)s, its document %(seq)s": "%(unit)s, văn bản thứ %(seq)s",
    "%(state)s since %(time)s": "%(state)s, từ %(time)s",
    "the list of files is on its way": "danh sách tệp đang đến",
    "its list of files is on its way%(when)s": "danh sách tệp đang đến%(when)s",
    ", from %(time)s": ", từ %(time)s",
    "%(held)s of %(total)s%(when)s": "%(held)s trên %(total)s%(when)s",
    "about %(count)s s": "khoảng %(count)s giây",
    "about %(count)s min": "khoảng %(count)s phút",
    "about %(count)s h": "khoảng %(count)s giờ",
    "about %(hours)s h %(count)s min": "khoảng %(hours)s giờ %(count)s phút",
    "under number %(number)s": "số đến %(number)s",
    "by %(who)s": "%(who)s",
    "not sent yet": "chưa gửi đi",
    "Enter a document in the arrival book.": "Vào sổ văn bản đến.",
    "Send a document back to its issuer.": "Trả lại văn bản cho nơi ban hành.",
    "Put a registered document before a leader.": "Trình lãnh đạo văn bản đã vào sổ.",
    "Say who leads, who helps, who is to know, by when.": "Chỉ đạo: ai chủ trì, phối hợp, để biết, hạn đến ngày nào.",
    "Say that somebody is at it, or note how far it is.": "Bắt đầu xử lý, hoặc ghi chú tiến độ.",
    "Say that a document is done.": "Hoàn thành văn bản.",
    "undone": "phục hồi",
    "put right": "đính chính",
    "%(notation)s at %(unit)s is now: %(state)s. The receipt goes out with the next burst.": (
        "%(notation)s tại %(unit)s: %(state)s. Biên nhận được gửi khi có đường truyền."
    ),
    "%(notation)s at %(unit)s is now: %(state)s.": "%(notation)s tại %(unit)s: %(state)s.",
    "waiting": "chờ gửi",
    "accepted": "đã gửi",
    "rejected": "không gửi được",
    "Line %(state)s": "Đường truyền %(state)s",
    "line down": "mất kết nối",
    "line coming up": "đang nối lại",
    "line up": "thông",
    "line stalled": "không có tín hiệu",
}


def speaks_vietnamese(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the terminal's messages are Vietnamese, by POSIX's order of variables."""
    chosen = next(filter(None, (environ.get(name, "") for name in ("LC_ALL", "LC_MESSAGES", "LANG"))), "")
    return chosen.lower().partition("_")[0].partition(".")[0] == VIETNAMESE


def say(message: str, **places: object) -> str:
    """A message in the terminal's language, with what is put in its places."""
    return plainly(_VI.get(message, message) if speaks_vietnamese() else message, **places)


def plainly(message: str, **places: object) -> str:
    """A message in English, for what programs read."""
    return message % places if places else message


def state_words(state: Status) -> str:
    """A state as people read it."""
    return say(STATES[state]) if state in STATES else state.value


def moment_words(ms: int, *, with_year: bool = True) -> str:
    """A moment in the organisation's zone to the minute, as it is written in the language."""
    at = datetime.fromtimestamp(ms / 1000, zone())
    if speaks_vietnamese():
        return f"{at:%d/%m/%Y %H:%M}" if with_year else f"{at:%d/%m %H:%M}"
    return f"{at:%Y-%m-%d %H:%M}" if with_year else f"{at:%m-%d %H:%M}"
