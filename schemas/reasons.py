"""Why a document waits, was parked or ended: the one list of codes, with their words in Vietnamese and English.

A code is what machines group by; the text beside it says where and how, for the people who mend it. A gateway sends the
code in the header ``code`` of a receipts message, because a body with a field that an older router does not know would
be refused whole. A reader takes a code that it does not know for none. What gateways told before there were codes is
read by :func:`router.ledger.reasons.code_told`.
"""

from dataclasses import dataclass
from enum import StrEnum

HEADER_CODE = "code"


class ReasonCode(StrEnum):
    """The machine's reasons; people's own are text alone."""

    SINK_UNWRITABLE = "sink_unwritable"
    """The unit's folder, or what the folder sink keeps in it, cannot be written."""
    SINK_DISK_FULL = "sink_disk_full"
    """The disk of the unit's folder has no room."""
    SINK_UNREACHABLE = "sink_unreachable"
    """The unit's system does not take connections, or breaks them."""
    SINK_TIMEOUT = "sink_timeout"
    """The unit's system did not answer, or its program did not end, in time."""
    SINK_TROUBLE = "sink_trouble"
    """The unit's system answered that it cannot take documents now, or its program failed."""
    SINK_LOGIN = "sink_login"
    """The unit's system does not accept the gateway's token (401, 403, 407)."""
    SINK_ADDRESS = "sink_address"
    """The unit's system answers from elsewhere: a redirect, or no such address."""
    SINK_REFUSED = "sink_refused"
    """The unit's system will never take this document."""
    SINK_FAULT = "sink_fault"
    """A sink met an error that is the gateway's own."""
    FILE_UNREADABLE = "file_unreadable"
    """A file of the document cannot be read from the gateway's own disk."""
    DISK_FULL = "disk_full"
    """The gateway's own disk has no room above its reserve."""
    SPOOL_UNAVAILABLE = "spool_unavailable"
    """The gateway's spool cannot be written now."""
    CONTENT_GONE = "content_gone"
    """The router says that it does not have the content, or not for this unit."""
    CONTENT_WRONG = "content_wrong"
    """What came is not what its SHA-256 names."""
    TOO_LARGE = "too_large"
    """An attachment is larger than this gateway takes."""
    UNREADABLE = "unreadable"
    """The descriptor, or the record it names, is none."""
    GATEWAY_FAULT = "gateway_fault"
    """The gateway met an error of its own with this document."""
    LINE_STALLED = "line_stalled"
    """No content comes over the unit's line though the broker is reached."""
    LOG_DIFFERS = "log_differs"
    """The centre shows this gateway another log than before."""
    TLS_EXPIRED = "tls_expired"
    """The certificate of the other side has ended."""
    TLS_NOT_YET_VALID = "tls_not_yet_valid"
    """Its certificate has not begun: by this machine's clock, which is then the likelier to be wrong."""
    TLS_OTHER_NAME = "tls_other_name"
    """Its certificate is for another name than the one that is asked for."""
    TLS_UNKNOWN_CA = "tls_unknown_ca"
    """Its certificate is by an authority that is not trusted here."""
    TLS_KEY_MISMATCH = "tls_key_mismatch"
    """Our own key does not belong to our certificate."""
    TLS_FILES = "tls_files"
    """Our own certificates, or those of authorities, cannot be read."""
    TLS_CLIENT_REFUSED = "tls_client_refused"
    """The other side does not accept our certificate."""
    TLS_CLIENT_WANTED = "tls_client_wanted"
    """The other side asks for a certificate of ours, and there is none."""
    TLS_NONE = "tls_none"
    """What answers there speaks no TLS."""
    TLS_FAILED = "tls_failed"
    """The two sides find no way to speak TLS, for a reason that is none of these."""
    SECOND_GATEWAY = "second_gateway"
    """Two gateways work for one unit; this one stands by."""
    EXPIRED = "expired"
    """It had not arrived when its time was over."""
    NOT_BELIEVED = "not_believed"
    """Its gateway says that it arrived, and what it says of it cannot be."""
    UNIT_GONE = "unit_gone"
    """Its unit exists no more; it was handed on or given up."""
    RECALLED = "recalled"
    """Another dispatch recalls it."""
    NO_LINE = "no_line"
    """No line leads to the unit."""
    PAUSED = "paused"
    """Somebody has paused the unit."""
    PUBLISH_RETURNED = "publish_returned"
    """No queue was bound for it at the broker."""
    PUBLISH_NACKED = "publish_nacked"
    """The broker refused it."""
    PUBLISH_TIMED_OUT = "publish_timed_out"
    """The broker did not confirm it in time."""
    PUBLISH_LOST = "publish_lost"
    """The connection to the broker went before it confirmed."""


R = ReasonCode
TLS_CODES = frozenset(code for code in ReasonCode if code.value.startswith("tls_"))
"""What stands in the way of a connection, never of one document alone."""


@dataclass(frozen=True, slots=True)
class ReasonWords:
    """What a code is called and what can be done, in both languages."""

    vi: str
    en: str
    advice_vi: str
    advice_en: str


WORDS: dict[ReasonCode, ReasonWords] = {
    R.SINK_UNWRITABLE: ReasonWords(
        "Không ghi được vào thư mục nhận của đơn vị",
        "the unit's folder cannot be written",
        "Kiểm tra thư mục nhận và quyền ghi trên máy của đơn vị.",
        "See to the folder and its rights on the unit's computer.",
    ),
    R.SINK_DISK_FULL: ReasonWords(
        "Ổ đĩa của thư mục nhận đã đầy",
        "the disk of the unit's folder is full",
        "Giải phóng dung lượng trên ổ đĩa của thư mục nhận; văn bản tự chuyển tiếp.",
        "Free some space on that disk; what waits then goes by itself.",
    ),
    R.SINK_UNREACHABLE: ReasonWords(
        "Không kết nối được với hệ thống của đơn vị",
        "the unit's system cannot be reached",
        "Kiểm tra hệ thống của đơn vị có đang chạy và địa chỉ có đúng không.",
        "See whether the unit's system runs, and whether its address is right.",
    ),
    R.SINK_TIMEOUT: ReasonWords(
        "Hệ thống của đơn vị không trả lời đúng hạn",
        "the unit's system did not answer in time",
        "Kiểm tra hệ thống của đơn vị; nếu nó vốn chậm, tăng CONGVAN_GATEWAY_SINK_TIMEOUT.",
        "See to the unit's system; if it is slow by nature, raise CONGVAN_GATEWAY_SINK_TIMEOUT.",
    ),
    R.SINK_TROUBLE: ReasonWords(
        "Hệ thống của đơn vị báo lỗi",
        "the unit's system answers with an error",
        "Xem nhật ký của hệ thống đơn vị.",
        "Read the log of the unit's system.",
    ),
    R.SINK_LOGIN: ReasonWords(
        "Hệ thống của đơn vị không chấp nhận mã truy cập",
        "the unit's system does not accept the gateway's token",
        "Cấp mã truy cập mới và đặt lại CONGVAN_GATEWAY_WEBHOOK_TOKEN.",
        "Issue a new token and set CONGVAN_GATEWAY_WEBHOOK_TOKEN.",
    ),
    R.SINK_ADDRESS: ReasonWords(
        "Địa chỉ của hệ thống đơn vị không đúng hoặc đã chuyển đi",
        "the address of the unit's system is wrong, or it has moved",
        "Đặt CONGVAN_GATEWAY_WEBHOOK_URL thành địa chỉ cuối cùng.",
        "Set CONGVAN_GATEWAY_WEBHOOK_URL to the final address.",
    ),
    R.SINK_REFUSED: ReasonWords(
        "Hệ thống của đơn vị từ chối văn bản này",
        "the unit's system refuses this document",
        "Xem câu trả lời của hệ thống đơn vị, rồi gửi lại hoặc xử lý bằng tay.",
        "Read what the unit's system answered; then send it again, or see to it by hand.",
    ),
    R.SINK_FAULT: ReasonWords(
        "Lỗi của chính cổng khi giao văn bản",
        "the gateway met an error of its own at the hand-over",
        "Gửi nhật ký của cổng cho người bảo trì.",
        "Give the gateway's log to whoever maintains it.",
    ),
    R.FILE_UNREADABLE: ReasonWords(
        "Không đọc được tệp trên máy của cổng",
        "a file cannot be read from the gateway's own disk",
        "Kiểm tra ổ đĩa của máy chạy cổng.",
        "See to the disk of the gateway's computer.",
    ),
    R.DISK_FULL: ReasonWords(
        "Ổ đĩa của cổng đã đầy",
        "the gateway's disk is full",
        "Giải phóng dung lượng trên máy chạy cổng; văn bản tự chuyển tiếp.",
        "Free some space on the gateway's computer; what waits then goes by itself.",
    ),
    R.SPOOL_UNAVAILABLE: ReasonWords(
        "Cổng không ghi được kho tạm",
        "the gateway cannot write its spool",
        "Kiểm tra ổ đĩa và thư mục dữ liệu của cổng.",
        "See to the disk and the data directory of the gateway.",
    ),
    R.CONTENT_GONE: ReasonWords(
        "Máy chủ không có nội dung này",
        "the router does not have the content",
        "Kiểm tra kho nội dung của máy chủ, rồi gửi lại.",
        "See to the router's content store, then send it again.",
    ),
    R.CONTENT_WRONG: ReasonWords(
        "Nội dung nhận được không đúng mã băm",
        "what came is not what its hash names",
        "Kiểm tra kho nội dung của máy chủ, rồi gửi lại.",
        "See to the router's content store, then send it again.",
    ),
    R.TOO_LARGE: ReasonWords(
        "Tệp lớn hơn mức cổng cho phép",
        "an attachment is larger than the gateway takes",
        "Tăng CONGVAN_GATEWAY_MAX_DOCUMENT_BYTES, rồi gửi lại.",
        "Raise CONGVAN_GATEWAY_MAX_DOCUMENT_BYTES, then send it again.",
    ),
    R.UNREADABLE: ReasonWords(
        "Không đọc được phần mô tả của văn bản",
        "the description of the document cannot be read",
        "Báo cho người bảo trì máy chủ.",
        "Tell whoever maintains the router.",
    ),
    R.GATEWAY_FAULT: ReasonWords(
        "Lỗi của chính cổng",
        "the gateway met an error of its own",
        "Gửi nhật ký của cổng cho người bảo trì, rồi gửi lại.",
        "Give the gateway's log to whoever maintains it, then send it again.",
    ),
    R.LOG_DIFFERS: ReasonWords(
        "Nhật ký của trung tâm không khớp với lần cổng đã thấy trước đây",
        "the centre's log is not the one that the gateway saw before",
        "Báo ngay cho người quản trị ở trung tâm và giữ nguyên máy này; xem `congvan gateway log`.",
        "Tell the centre's administrator at once, and leave this computer as it is; see `congvan gateway log`.",
    ),
    R.LINE_STALLED: ReasonWords(
        "Không tải được nội dung qua đường truyền của đơn vị",
        "no content comes over the unit's line",
        "Xem lý do kèm theo; kiểm tra đường tới máy chủ nội dung: tường lửa, DNS, kích thước gói (MTU).",
        "Read the reason beside it; see to the way to the router: firewall, DNS, packet size (MTU).",
    ),
    R.TLS_EXPIRED: ReasonWords(
        "Chứng thư số của máy chủ đã hết hạn",
        "the server's certificate has ended",
        "Gia hạn chứng thư số của máy chủ; nếu nó còn hạn, chỉnh lại đồng hồ của máy này.",
        "Renew the server's certificate; if it has not ended, set this machine's clock.",
    ),
    R.TLS_NOT_YET_VALID: ReasonWords(
        "Chứng thư số của máy chủ chưa có hiệu lực, có thể do đồng hồ của máy này sai",
        "the server's certificate has not begun; this machine's clock is probably wrong",
        "Chỉnh lại đồng hồ của máy này (NTP; pin đồng hồ).",
        "Set this machine's clock (NTP; the clock's battery).",
    ),
    R.TLS_OTHER_NAME: ReasonWords(
        "Chứng thư số của máy chủ cấp cho tên khác",
        "the server's certificate is for another name",
        "Đặt địa chỉ theo đúng tên ghi trong chứng thư số, hoặc cấp chứng thư số cho tên đang dùng.",
        "Use a name that the certificate has in the URL, or have a certificate issued for the name in use.",
    ),
    R.TLS_UNKNOWN_CA: ReasonWords(
        "Máy này không tin tổ chức cấp chứng thư số của máy chủ",
        "the authority that issued the server's certificate is not trusted here",
        "Đặt CONGVAN_GATEWAY_CA_FILE (máy chủ: CONGVAN_CA_FILE) thành tệp chứng thư số của tổ chức cấp.",
        "Name the file with the authority's certificate: CONGVAN_GATEWAY_CA_FILE, at the router CONGVAN_CA_FILE.",
    ),
    R.TLS_KEY_MISMATCH: ReasonWords(
        "Khóa bí mật không khớp với chứng thư số của máy này",
        "this machine's key does not belong to its certificate",
        "Chép lại cả hai tệp, chứng thư số và khóa, từ cùng một lần cấp.",
        "Put both files there again, certificate and key, of one issue.",
    ),
    R.TLS_FILES: ReasonWords(
        "Không đọc được tệp chứng thư số trên máy này",
        "the certificate files on this machine cannot be used",
        "Kiểm tra đường dẫn, quyền đọc và nội dung (PEM) của các tệp.",
        "See to the files' paths, their rights and that they are PEM.",
    ),
    R.TLS_CLIENT_REFUSED: ReasonWords(
        "Máy chủ không chấp nhận chứng thư số của máy này",
        "the server does not accept this machine's certificate",
        "Gia hạn chứng thư số của máy này, do tổ chức mà máy chủ tin cậy cấp.",
        "Renew this machine's certificate, by an authority that the server trusts.",
    ),
    R.TLS_CLIENT_WANTED: ReasonWords(
        "Máy chủ đòi chứng thư số của máy này",
        "the server asks for a certificate of this machine",
        "Đặt CONGVAN_GATEWAY_CLIENT_CERTIFICATE (máy chủ: CONGVAN_CLIENT_CERTIFICATE) và khóa của nó.",
        "Set CONGVAN_GATEWAY_CLIENT_CERTIFICATE, at the router CONGVAN_CLIENT_CERTIFICATE, and its key.",
    ),
    R.TLS_NONE: ReasonWords(
        "Địa chỉ đó không dùng TLS",
        "what answers there speaks no TLS",
        "Kiểm tra cổng kết nối và giao thức trong địa chỉ (amqps, https); có thể có trang đăng nhập mạng chen giữa.",
        "See to the port and the scheme in the URL (amqps, https); a captive portal may stand in the line.",
    ),
    R.TLS_FAILED: ReasonWords(
        "Không thiết lập được kết nối TLS",
        "the two sides find no way to speak TLS",
        "Xem lý do kèm theo; máy chủ phải hỗ trợ TLS 1.2 hoặc 1.3.",
        "Read the reason beside it; the server has to speak TLS 1.2 or 1.3.",
    ),
    R.SECOND_GATEWAY: ReasonWords(
        "Có hai cổng cùng làm việc cho một đơn vị",
        "two gateways work for one unit",
        "Dừng một cổng; hoặc cho cổng mới thay: congvan units take-over.",
        "Stop one of them; or let the new one take over: congvan units take-over.",
    ),
    R.EXPIRED: ReasonWords(
        "Quá thời hạn mà chưa đến đơn vị",
        "it did not arrive in the time the service allows",
        "Xem đường truyền và cổng của đơn vị, rồi gửi lại.",
        "See to the unit's line and gateway, then send it again.",
    ),
    R.NOT_BELIEVED: ReasonWords(
        "Cổng báo đã đến nhưng thông tin không khớp với văn bản đã gửi",
        "its gateway says that it arrived, and what it says cannot be",
        "Kiểm tra cổng và đồng hồ của đơn vị, rồi gửi lại.",
        "See to the unit's gateway and its clock, then send it again.",
    ),
    R.UNIT_GONE: ReasonWords(
        "Đơn vị không còn hoạt động",
        "its unit exists no more",
        "Chuyển cho đơn vị kế thừa: congvan units hand-on; hoặc kết thúc: congvan units give-up.",
        "Hand it on: congvan units hand-on; or give it up: congvan units give-up.",
    ),
    R.RECALLED: ReasonWords(
        "Văn bản bị thu hồi",
        "another dispatch recalls it",
        "Không phải làm gì.",
        "There is nothing to do.",
    ),
    R.NO_LINE: ReasonWords(
        "Chưa có đường truyền đến đơn vị",
        "no line leads to the unit",
        "Văn bản tự chuyển khi đơn vị có đường truyền.",
        "It goes by itself as soon as the unit has a line.",
    ),
    R.PAUSED: ReasonWords(
        "Đơn vị đang tạm dừng nhận văn bản",
        "the unit is paused",
        "Mở lại đơn vị khi đã xong việc.",
        "Open the unit again when what was in the way is over.",
    ),
    R.PUBLISH_RETURNED: ReasonWords(
        "Máy chủ hàng đợi chưa có hàng đợi của đơn vị",
        "no queue is bound for it; the broker gave it back",
        "Văn bản được thử lại; nếu kéo dài, chạy congvan doctor.",
        "It is tried again by itself; if it lasts, run congvan doctor.",
    ),
    R.PUBLISH_NACKED: ReasonWords(
        "Máy chủ hàng đợi không nhận",
        "the broker refused it",
        "Văn bản được thử lại; nếu kéo dài, chạy congvan doctor.",
        "It is tried again by itself; if it lasts, run congvan doctor.",
    ),
    R.PUBLISH_TIMED_OUT: ReasonWords(
        "Máy chủ hàng đợi không xác nhận đúng hạn",
        "the broker did not confirm it in time",
        "Văn bản được thử lại; nếu kéo dài, chạy congvan doctor.",
        "It is tried again by itself; if it lasts, run congvan doctor.",
    ),
    R.PUBLISH_LOST: ReasonWords(
        "Mất kết nối với máy chủ hàng đợi",
        "the connection to the broker was lost",
        "Văn bản được thử lại; nếu kéo dài, chạy congvan doctor.",
        "It is tried again by itself; if it lasts, run congvan doctor.",
    ),
}


def known_code(text: object) -> ReasonCode | None:
    """The code that a message carries; None for none, or for one that this program does not know."""
    return ReasonCode(text) if isinstance(text, str) and text in ReasonCode.__members__.values() else None
