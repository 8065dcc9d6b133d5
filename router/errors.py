"""What the router refuses or cannot do, and how it says so to a caller.

::

    RouterError                       status, slug (the problem's type), hint (what to do), problems (field by field)
    ├── UnauthorizedError        401  no token, or one that is unknown, expired or revoked
    ├── ForbiddenError           403  the account's role does not allow it
    │   ├── ForbiddenIssuerError 403  the account may not send for the issuer it names
    │   └── RightsError          403  it may not send to these units, so urgently, or so much
    ├── NotFoundError            404  not there, or not for this account to see
    ├── ConflictError            409  the same idempotency key with other content
    ├── CopyChainError           409  a piece of a copy of books that does not go on with its chain
    ├── OffsetConflictError      409  an upload has come another way than its sender thinks
    ├── UploadExpiredError       410  an upload for which nothing has come for too long
    ├── VersionError             412  a version of the upload protocol that is not spoken here
    ├── TooLargeError            413  more bytes than the limit
    ├── UnsupportedMediaError    415  a body of a type that is not read here
    ├── MalformedError           400  a body or parameter that cannot be read at all
    ├── StalledError             408  a body that stopped coming
    ├── AllowanceError           429  the account has sent as much in this hour as it may
    │   └── CertificateAllowanceError  it has been certified too often in this hour
    ├── UploadMismatchError      460  all bytes of an upload came, and they are not those of its hash
    ├── RefusedError             422  read and understood, but not acceptable
    │   ├── UnknownAttachmentError    names a file that nobody uploaded
    │   ├── AddressingError           rules that cannot be read or that reach nobody
    │   ├── ReferencesError           a recall, update or replacement of what it cannot change
    │   ├── AccountExistsError        an account of that name is in use
    │   ├── SecrecyRefusedError       classified, and the deployment does not take that
    │   ├── ActRefusedError           an operator's act that what is there now does not allow
    │   ├── DirectoryError            a list of units that does not hold together
    │   └── ContentMismatchError      the bytes do not have the SHA-256 that was given
    ├── UnavailableError         503  a part that is needed is down; try again
    │   ├── LedgerUnavailableError    the database does not answer
    │   │   ├── LedgerTroubleError    it fails in a way that is not known to last
    │   │   └── LedgerRevisionError   its tables are not those this program needs
    │   ├── MachineTroubleError       this machine is short of something, or its disk fails
    │   └── ContentDamagedError       the store's copy of a content is not what it was
    ├── LogKeyError              500  the file of the key that signs the log holds something else
    ├── ContentFullError         507  the content store's disk is full up to its reserve
    ├── UploadQuotaError         507  the account has too many unfinished uploads
    ├── ContentQuotaError        507  the account has brought too much that no dispatch names
    └── ToldProblemError              a command was answered with a problem by the web API, and says it on
"""

from collections.abc import Sequence
from typing import ClassVar

from router.process.fate import Fate
from schemas.errors import FieldProblem


class RouterError(Exception):
    """Base of the router's errors.

    Args:
        detail: what happened, and to which id.
        hint: what the caller can do; empty: the class's own.
        problems: what is wrong field by field.
    """

    status: int = 500
    """The HTTP status that it is answered with."""
    slug: str = "internal-error"
    """The last part of the problem's type URI (RFC 9457)."""
    title: ClassVar[str] = "Something went wrong inside the router"
    default_hint: ClassVar[str] = ""

    def __init__(self, detail: str, *, hint: str = "", problems: Sequence[FieldProblem] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint or self.default_hint
        self.problems = tuple(problems)


class LogKeyError(RouterError):
    """The file of the key that signs the log holds something else."""


class UnauthorizedError(RouterError):
    """No token, or one that is unknown, expired or revoked."""

    status, slug, title = 401, "unauthorized", "A valid token is needed"
    default_hint = "send `Authorization: Bearer <token>` with a token made by `congvan token create`"


class ForbiddenError(RouterError):
    """The account's role does not allow what it asks for."""

    status, slug, title = 403, "forbidden", "The account may not do this"


class ForbiddenIssuerError(ForbiddenError):
    """The account may not send for the issuer it names."""

    slug, title = "forbidden-issuer", "The account may not send for this issuer"
    default_hint = "use the token of an account that stands for the issuer"


class RightsError(ForbiddenError):
    """The account may not send to these units, so urgently, or so much at once; ``problems`` names the fields."""

    slug, title = "rights", "The account may not send this"
    default_hint = "`congvan token show` tells what it may; an administrator widens it with `congvan token grant`"


class NotFoundError(RouterError):
    """It is not there, or not for this account to see; the two look alike on purpose."""

    status, slug, title = 404, "not-found", "There is nothing here for this account"


class ConflictError(RouterError):
    """The same idempotency key came before with other content."""

    status, slug, title = 409, "idempotency-conflict", "The idempotency key was used for another submission"
    default_hint = "use a new key for a new submission, and the same key only to repeat the same one"


class CopyChainError(RouterError):
    """A piece of a copy of books that is not the next of its chain, or whose bytes its account did not bring."""

    status, slug, title = 409, "copy-chain", "The piece does not go on with the copy"
    default_hint = "begin a new copy with everything: a new chain, from piece 0 on"


class OffsetConflictError(RouterError):
    """An upload has come another way than its sender thinks.

    Args:
        detail: what happened.
        offset: how far it has come; None when that is to be asked for anew.
    """

    status, slug, title = 409, "offset-conflict", "The upload is at another byte"
    default_hint = "ask for its offset with HEAD and go on there"

    def __init__(self, detail: str, *, offset: int | None) -> None:
        super().__init__(detail)
        self.offset = offset


class UploadExpiredError(RouterError):
    """Nothing has come for an upload for too long; it was removed."""

    status, slug, title = 410, "upload-expired", "The upload has expired"
    default_hint = "begin it anew with `POST /api/v1/uploads`"


class VersionError(RouterError):
    """A version of the upload protocol that is not spoken here."""

    status, slug, title = 412, "tus-version", "This version of the upload protocol is not spoken here"
    default_hint = "send the header `Tus-Resumable: 1.0.0`"


class TooLargeError(RouterError):
    """More bytes than the limit."""

    status, slug, title = 413, "too-large", "Too large"


class UnsupportedMediaError(RouterError):
    """A body of a type that is not read here."""

    status, slug, title = 415, "unsupported-media-type", "The body's media type is not read here"


class MalformedError(RouterError):
    """A body or parameter that cannot be read at all."""

    status, slug, title = 400, "malformed", "The request cannot be read"


class StalledError(RouterError):
    """A body that stopped coming."""

    status, slug, title = 408, "stalled", "The request's body stopped coming"
    default_hint = "send it again with the same idempotency key"


class AllowanceError(RouterError):
    """The account has sent as much in this hour as it may.

    Args:
        detail: what is too much.
        seconds: until the next hour begins.
    """

    status, slug, title = 429, "allowance", "The account has sent as much in this hour as it may"

    def __init__(self, detail: str, *, seconds: int) -> None:
        super().__init__(detail, hint=f"send it again in {seconds} s with the same idempotency key")
        self.seconds = seconds


class CertificateAllowanceError(AllowanceError):
    """The account has been certified too often in this hour; arguments as of :class:`AllowanceError`."""

    slug, title = "certificate-allowance", "The account has been certified too often in this hour"

    def __init__(self, detail: str, *, seconds: int) -> None:
        super().__init__(detail, seconds=seconds)
        self.hint = f"use the certificate that it has, or ask again in {seconds} s"


class UploadMismatchError(RouterError):
    """All bytes of an upload came and they are not those of its hash; it begins again from nothing."""

    status, slug, title = 460, "upload-mismatch", "The bytes do not have the SHA-256 that was announced"
    default_hint = "send it again from offset 0; if that fails again, compute the hash anew"


class RefusedError(RouterError):
    """Read and understood, but not acceptable."""

    status, slug, title = 422, "refused", "The submission cannot be accepted"


class UnknownAttachmentError(RefusedError):
    """The submission names a file that nobody uploaded; ``problems`` names each field and hash."""

    slug, title = "unknown-attachment", "An attachment is not in the content store"
    default_hint = "upload it first with `PUT /content/{sha256}`, or send it as a part of the same request"


class AddressingError(RefusedError):
    """Addressing rules that cannot be read, or that reach nobody."""

    slug, title = "addressing", "The addressing rules reach nobody or cannot be read"
    default_hint = "try the rules with `congvan units resolve` or `POST /api/v1/resolve`"


class ReferencesError(RefusedError):
    """A recall, update or replacement refers to what is not here, or is not the issuer's to recall."""

    slug, title = "references", "The dispatch cannot change those that it refers to"
    default_hint = (
        "name accepted dispatches by their ids; their issuer can change them, or a unit above it whose account may, "
        "and recall them from units that had them"
    )


class AccountExistsError(RefusedError):
    """An account of that name is in use."""

    slug, title = "account-exists", "An account of that name is in use"
    default_hint = "give it a label, or make a new token for it with `congvan token rotate`"


class SecrecyRefusedError(RefusedError):
    """The dispatch is classified and the deployment does not take that."""

    slug, title = "secrecy", "Classified dispatches are not accepted here"
    default_hint = "carry it by the way that your rules of secrecy name"


class ActRefusedError(RefusedError):
    """An operator's act that what is there now does not allow."""

    slug, title = "act-refused", "What is there now does not allow that"


class DirectoryError(RefusedError):
    """A list of units that does not hold together; ``problems`` names each line."""

    slug, title = "directory", "The list of units does not hold together"
    exit_code: ClassVar[int] = 2
    """A command's: the list is wrong, whoever brings it."""


class ContentMismatchError(RefusedError):
    """The bytes do not have the SHA-256 that was given."""

    slug, title = "content-mismatch", "The bytes do not have the SHA-256 that names them"
    default_hint = "compute the hash of the file as it is sent, and send it again"


class UnavailableError(RouterError):
    """A part that is needed is down."""

    status, slug, title = 503, "unavailable", "A part that is needed is down"
    default_hint = "try again with the same idempotency key"
    retry_after: ClassVar[int] = 5
    """Seconds to wait before trying again."""
    fate: ClassVar[Fate] = Fate.AWAY


class LedgerUnavailableError(UnavailableError):
    """The database does not answer."""

    slug, title = "ledger-unavailable", "The ledger does not answer"


class LedgerTroubleError(LedgerUnavailableError):
    """The database fails in a way that is not known to last."""


class MachineTroubleError(UnavailableError):
    """This machine is short of something, as file descriptors are, or its disk fails."""


class LedgerRevisionError(LedgerUnavailableError):
    """The ledger's tables are older or newer than this program needs, or not there."""

    slug, title = "ledger-revision", "The ledger is at another revision"
    fate: ClassVar[Fate] = Fate.UNKNOWN
    default_hint = "start the router of this version once, it brings the ledger up to date"


class ContentDamagedError(UnavailableError):
    """The router's own copy of a content is damaged or lost; it is served again as soon as its bytes have come."""

    slug, title = "content-damaged", "The router's copy of the content is damaged"
    default_hint = "an operator finds it with `congvan content verify`; whoever has the file sends it once more"
    retry_after: ClassVar[int] = 60


class ContentFullError(RouterError):
    """The content store's disk is full up to its reserve; nothing of the file was kept."""

    status, slug, title = 507, "content-full", "The content store is full"
    default_hint = "an operator has to free space or lower CONGVAN_CONTENT_RESERVE_BYTES; then send it again"


class UploadQuotaError(RouterError):
    """The account has too many unfinished uploads, or too large ones."""

    status, slug, title = 507, "upload-quota", "The account has too much unfinished"
    default_hint = "finish the others, or end them with DELETE; those that nothing comes for expire by themselves"


class ContentQuotaError(RouterError):
    """The account has brought too many files, or too large ones, that no dispatch names."""

    status, slug, title = 507, "content-quota", "The account has brought too much that is not sent"
    default_hint = "send the dispatches that name it; what none names is removed by itself after CONGVAN_UNNAMED_KEPT"


class ToldProblemError(RouterError):
    """A command was answered with a problem by the web API; status, hint and fields are those it was told."""

    title = "The web API did not do it"

    def __init__(self, status: int, detail: str, *, hint: str = "", problems: Sequence[FieldProblem] = ()) -> None:
        fields = "; ".join(f"{item.field}: {item.problem}" for item in problems)
        super().__init__(f"{detail}: {fields}" if fields else detail, hint=hint, problems=problems)
        self.status = status
