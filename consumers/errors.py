"""What can go wrong in a unit's gateway.

::

    GatewayError
    ├── GatewaySettingsError          a setting that every gateway needs is missing
    ├── SpoolError                    what the gateway keeps on its own disk
    │   ├── SpoolInUseError           another process hosts from this directory
    │   ├── SpoolRevisionError        its tables belong to a newer program
    │   ├── SpoolUnavailableError     its disk is full or its file is locked; it may work later
    │   ├── SpoolDamagedError         its file is damaged; it is put aside at the next start
    │   ├── SpoolMissingError         no gateway has worked on this directory
    │   ├── ContentNotKeptError       a document's files are not in the spool
    │   ├── UnknownDeliveryError      no such delivery was taken here
    │   ├── BookError                 a register does not allow it: closed, another number is next, or it has moved on
    │   │   ├── ClosedBookError       it is closed: nothing in it changes any more
    │   │   ├── NumberTakenError      the number was given meanwhile, or another one is next
    │   │   └── UnconfirmedBookError  it was restored, and nobody has said yet which number comes next
    │   ├── CopyError                 a copy of the books cannot be made, read or put back
    │   │   └── CopyTooLargeError     it is larger than any may be
    │   ├── DocumentMovedError        somebody dealt with a document since the one who acts looked at it
    │   │   ├── DraftDroppedError     it was being written, and was thrown away with its files
    │   │   └── DraftSentError        it was being written, and somebody else sent it
    │   ├── UnknownEntryError         a register has no such number
    │   ├── UnknownDraftError         nothing of this id is written or was sent here
    │   └── AmbiguousDeliveryError    several deliveries fit what a person wrote
    ├── DeskForbiddenError            a person's roles at the desk do not allow it
    │   └── NotForThemError           somebody was to deal with a document who may not see it
    ├── ReceiptsHeldError             the broker has not confirmed receipts; they are sent again
    ├── GatewayStoppedError           it does not run now
    ├── SecondGatewayError            another gateway works for its units
    ├── UnitsUnknownError             which units to host is known neither from the router nor from before
    ├── UndeliverableError            a delivery that cannot reach the sink as it is
    ├── DeliveryRecalledError         a delivery that a recall ended while it was in work
    ├── OutgoingError                 a document that the unit sends
    │   ├── OutgoingRejectedError     it cannot be sent as it is, or the router refused it
    │   ├── UploadDamagedError        all its bytes went up and were not those announced
    │   └── UploadsLostError          the router does not have what went up
    ├── FetchError                    the content of an attachment did not come
    │   ├── LineError                 the line went: no attempt is counted
    │   │   └── SilentLineError       nothing was heard on a connection for too long
    │   ├── WindowOutgrownError       the line gives more than the connection was made for
    │   ├── ServerTroubleError        the server is there and cannot serve now
    │   ├── TlsTroubleError           a certificate, ours or the server's, stands in the way
    │   ├── ForeignAnswerError        what answered is not the router: a portal, a proxy
    │   ├── MachineTroubleError       this machine is short of something, or its disk fails
    │   │   └── DiskFullError         no room for it until somebody makes some
    │   ├── ContentGoneError          the server says that it has no such content for us
    │   └── WrongContentError         the bytes are not those that the name promises
    └── SinkError                     the hand-over to the unit's own system
        ├── SinkSettingsError         a setting that the sink needs is missing or wrong
        ├── SinkRetryError            said by a sink: not this time
        ├── SinkTroubleError          said by a sink: not this time, and this machine is to blame
        ├── SinkRefusedError          said by a sink: never this document
        ├── SinkWaitError             said by the guard: try again, and when
        └── SinkParkedError           said by the guard: an operator has to act
"""

from typing import ClassVar

from router.process.fate import Fate
from schemas.reasons import ReasonCode


class GatewayError(Exception):
    """Base of the errors of this package; ``exit_code`` is how a command that meets one ends."""

    exit_code = 1


class GatewaySettingsError(GatewayError):
    """A setting that every gateway needs is missing."""

    exit_code = 2


class SpoolError(GatewayError):
    """Something about the spool, the database of what the gateway has taken."""


class SpoolInUseError(SpoolError):
    """Another gateway process works on this data directory."""

    exit_code = 4


class SpoolRevisionError(SpoolError):
    """The spool was written by a newer program than this."""


class SpoolUnavailableError(SpoolError):
    """The spool cannot be written now: its disk is full, or another process holds it."""

    exit_code = 5
    code = ReasonCode.SPOOL_UNAVAILABLE
    fate: ClassVar[Fate] = Fate.SHORT


class SpoolDamagedError(SpoolError):
    """The spool's file is damaged: it is put aside, and the gateway begins anew with an empty one."""

    exit_code = 1
    hint = "start the gateway, or let its supervisor do so; docs/how-to/gateway.md says what is lost"


class UnknownDeliveryError(SpoolError):
    """The spool has no such delivery."""

    exit_code = 3


class BookError(SpoolError):
    """A register of the unit does not allow it: it is closed, another number is next, or the entry has moved on."""

    exit_code = 4


class ClosedBookError(BookError):
    """A register is closed (khóa sổ): nothing in it changes any more."""


class NumberTakenError(BookError):
    """A number of a register was given meanwhile, or is not the next one: there is a next one."""


class UnconfirmedBookError(BookError):
    """A register was restored after a loss: numbers may have been given that it does not know."""


class CopyError(SpoolError):
    """A copy of the books cannot be made, read or put back; the message says which, and what else there is."""

    exit_code = 4


class CopyTooLargeError(CopyError):
    """The books are larger than any copy may be: that does not change within minutes."""


class DocumentMovedError(SpoolError):
    """Somebody dealt with a document after whoever acts now had looked at it."""

    exit_code = 4


class DraftDroppedError(DocumentMovedError):
    """A draft was thrown away, with its files, after whoever writes on had looked at it."""


class DraftSentError(DocumentMovedError):
    """A draft was sent by somebody else after whoever writes on had looked at it."""


class UnknownEntryError(SpoolError):
    """A register has no such number."""

    exit_code = 3


class UnknownDraftError(SpoolError):
    """Nothing of this id is being written here, or was sent."""

    exit_code = 3


class SpoolMissingError(SpoolError):
    """No gateway has worked on this data directory yet."""

    exit_code = 3


class ContentNotKeptError(SpoolError):
    """The files of a document are not in the spool: not yet, or no longer."""

    exit_code = 3


class AmbiguousDeliveryError(SpoolError):
    """Several deliveries fit what a person wrote."""

    exit_code = 2


class DeskForbiddenError(GatewayError):
    """A person's roles at the desk do not allow it."""

    exit_code = 4


class NotForThemError(DeskForbiddenError):
    """Somebody was to deal with a document who may not see it: of another unit, or not cleared for its secrets."""


class ReceiptsHeldError(GatewayError):
    """The broker has not confirmed receipts: they stay in the outbox and are sent again."""


class GatewayStoppedError(GatewayError):
    """The gateway does not run now."""

    exit_code = 5


class SecondGatewayError(GatewayError):
    """Another living gateway works for units of this one, which stands by for them."""

    exit_code = 4
    hint = "stop one of the two, or let this one take over: `congvan units take-over` at the router"


class UnitsUnknownError(GatewayError):
    """The units of a subtree are not known: the router did not answer and has never answered before."""

    exit_code = 5


class UndeliverableError(GatewayError):
    """A delivery that cannot reach the sink as it is; it is parked."""

    def __init__(self, message: str, *, code: ReasonCode = ReasonCode.UNREADABLE) -> None:
        super().__init__(message)
        self.code = code


class DeliveryRecalledError(GatewayError):
    """A recall ended the delivery while it was in work: it must not reach the sink."""


class OutgoingError(GatewayError):
    """About a document that the unit sends; the message is a sentence for the unit's people."""


class OutgoingRejectedError(OutgoingError):
    """It cannot be sent as it is, or the router refused it: a person has to mend it; ``vi`` says it in Vietnamese."""

    exit_code = 2

    def __init__(self, message: str, *, vi: str = "") -> None:
        super().__init__(message)
        self.vi = vi

    @property
    def told(self) -> str:
        """What the spool keeps of it: the Vietnamese sentence on a line of its own, then the English one."""
        return f"{self.vi}\n{self}" if self.vi else str(self)


class UploadDamagedError(OutgoingError):
    """All bytes of a file went up, and the router found another SHA-256: it begins again from nothing."""


class UploadsLostError(OutgoingError):
    """The router does not have a file that had gone up."""


class FetchError(GatewayError):
    """An attachment's content did not come; the message is a sentence for the unit's people."""


class LineError(FetchError):
    """The connection was refused, reset or silent: an event of the line, not of the document.

    Args:
        message: what happened.
        examined: the line itself ended the connection, and knows how it stands.
    """

    def __init__(self, message: str, *, examined: bool = False) -> None:
        super().__init__(message)
        self.examined = examined


class SilentLineError(LineError):
    """Nothing was heard on a connection for too long, or nobody answered."""


class WindowOutgrownError(FetchError):
    """The line gives another rate than the connection was made for: a new one goes on at the byte."""


class ServerTroubleError(FetchError):
    """The server answered that it cannot serve now (5xx, 429) or that the token is not good (401)."""


class TlsTroubleError(ServerTroubleError):
    """A certificate, ours or the server's, stands in the way; ``code`` says how."""

    def __init__(self, message: str, *, code: ReasonCode) -> None:
        super().__init__(message)
        self.code = code


class ForeignAnswerError(ServerTroubleError):
    """What answered is not the router: a captive portal, or a proxy that answers by itself, stands in the line."""


class MachineTroubleError(FetchError):
    """This machine is short of something, as file descriptors are, or its disk fails: nobody's document is to blame."""

    fate: ClassVar[Fate] = Fate.SHORT


class DiskFullError(MachineTroubleError):
    """The gateway's disk has no room for the content above its reserve."""

    code = ReasonCode.DISK_FULL


class ContentGoneError(FetchError):
    """The server has no such content, or not for this gateway (403, 404, 410 and other refusals)."""

    code = ReasonCode.CONTENT_GONE


class WrongContentError(FetchError):
    """What came does not have the SHA-256 or the size that names it."""

    code = ReasonCode.CONTENT_WRONG


class SinkError(GatewayError):
    """A document was not handed over; ``reason`` is a sentence for the unit's people, ``code`` for machines."""

    def __init__(self, reason: str, *, code: ReasonCode = ReasonCode.SINK_TROUBLE) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code


class SinkSettingsError(SinkError):
    """A setting that the sink needs is missing or wrong; the gateway does not start."""

    exit_code = 2


class SinkRetryError(SinkError):
    """The sink failed in a way that may pass; ``retry_after`` is the pause it asked for, in seconds."""

    def __init__(
        self, reason: str, *, retry_after: float | None = None, code: ReasonCode = ReasonCode.SINK_TROUBLE
    ) -> None:
        super().__init__(reason, code=code)
        self.retry_after = retry_after


class SinkTroubleError(SinkError):
    """This machine is short of something, or its disk fails: it costs the document no try."""


class CopyDamagedError(SinkTroubleError):
    """The gateway's own copy of a content (its SHA-256) is no longer what was verified: it has to be fetched again."""

    def __init__(self, reason: str, *, sha256: str) -> None:
        super().__init__(reason, code=ReasonCode.CONTENT_WRONG)
        self.sha256 = sha256


class SinkRefusedError(SinkError):
    """The receiving system will never take this document."""

    def __init__(self, reason: str, *, code: ReasonCode = ReasonCode.SINK_REFUSED) -> None:
        super().__init__(reason, code=code)


class SinkWaitError(SinkError):
    """The document waits for its next try at ``retry_at`` (UTC milliseconds); ``attempts`` is to be kept with it."""

    def __init__(self, reason: str, *, attempts: int, retry_at: int, code: ReasonCode) -> None:
        super().__init__(reason, code=code)
        self.attempts = attempts
        self.retry_at = retry_at


class SinkParkedError(SinkError):
    """The sink refused the document or its tries are used up: it is parked until an operator acts."""

    def __init__(self, reason: str, *, attempts: int, code: ReasonCode) -> None:
        super().__init__(reason, code=code)
        self.attempts = attempts
