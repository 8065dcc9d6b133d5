"""What each operation of the web API is called in generated clients, and the problems it may be answered with."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from router import errors as e
from router.api.problems import Invalid
from schemas.trust.checkpoints import HEADER_LOG_KEY

ErrorKind = type[e.RouterError] | type[Invalid]
"""A kind of problem: its status, slug and title."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation beyond what its function says.

    Args:
        id: its name for ever: generated clients are built on it.
        problems: the errors it may be answered with, in addition to those of every operation with an account.
        headers: of its good answer, each with its meaning.
    """

    id: str
    problems: tuple[ErrorKind, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


OF_ACCOUNTS = (e.UnauthorizedError, e.ForbiddenError, e.LedgerUnavailableError, e.MachineTroubleError)
"""Of every operation that wants a token."""
_PARAMETERS: tuple[ErrorKind, ...] = (Invalid,)
_BODY: tuple[ErrorKind, ...] = (e.MalformedError, e.StalledError, e.TooLargeError, e.UnsupportedMediaError, Invalid)
_LETTER: tuple[ErrorKind, ...] = (
    *_BODY,
    e.ForbiddenIssuerError,
    e.RightsError,
    e.AllowanceError,
    e.UnknownAttachmentError,
    e.AddressingError,
    e.ReferencesError,
    e.SecrecyRefusedError,
    e.ContentMismatchError,
    e.ContentQuotaError,
    e.ContentFullError,
)
_TUS: tuple[ErrorKind, ...] = (e.MalformedError, e.VersionError, Invalid)
_LOCATION = {"Location": "Where it is from now on."}
_LINK = {"Link": 'The next page, as `rel="next"` (RFC 8288); left out at the end.'}
_UPLOAD = {
    "Tus-Resumable": "The version of the protocol: 1.0.0.",
    "Upload-Offset": "So many bytes are on the router's disk.",
    "Upload-Expires": "Until when it is kept without another byte.",
}
_ETAG = {"ETag": "A strong validator: of the plain bytes it is their SHA-256."}

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("post", "/api/v1/dispatches"): Operation("submitDispatch", (*_LETTER, e.ConflictError), _LOCATION),
    ("get", "/api/v1/dispatches"): Operation("listDispatches", _PARAMETERS, _LINK),
    ("post", "/api/v1/dispatches/plan"): Operation("planDispatch", _LETTER),
    ("get", "/api/v1/dispatches/{dispatch_id}"): Operation("getDispatch", (*_PARAMETERS, e.NotFoundError), _LINK),
    ("get", "/api/v1/dispatches/{dispatch_id}/receipts"): Operation(
        "listReceipts", (*_PARAMETERS, e.NotFoundError), _LINK
    ),
    ("get", "/api/v1/dispatches/{dispatch_id}/recall-plan"): Operation(
        "planRecall",
        (
            *(*_PARAMETERS, e.NotFoundError, e.ForbiddenIssuerError, e.RightsError),
            *(e.AllowanceError, e.AddressingError, e.ReferencesError, e.SecrecyRefusedError),
        ),
    ),
    ("post", "/api/v1/redrives/dry-run"): Operation("tryRedrive", _BODY),
    ("post", "/api/v1/redrives"): Operation("createRedrive", (*_BODY, e.ConflictError, e.ActRefusedError), _LOCATION),
    ("get", "/api/v1/redrives"): Operation("listRedrives", _PARAMETERS),
    ("get", "/api/v1/redrives/{redrive_id}"): Operation("getRedrive", (*_PARAMETERS, e.NotFoundError)),
    ("get", "/api/v1/redrives/{redrive_id}/items"): Operation("listRedriveItems", (*_PARAMETERS, e.NotFoundError)),
    ("post", "/api/v1/redrives/{redrive_id}/{act}"): Operation(
        "actOnRedrive", (*_PARAMETERS, e.NotFoundError, e.ActRefusedError)
    ),
    ("get", "/api/v1/units"): Operation("listUnits", _PARAMETERS),
    ("get", "/api/v1/names"): Operation("nameUnits", _PARAMETERS),
    ("get", "/api/v1/directory"): Operation("showDirectory", _PARAMETERS),
    ("get", "/api/v1/units/{code}"): Operation("getUnit", (*_PARAMETERS, e.NotFoundError)),
    ("post", "/api/v1/resolve"): Operation("resolveAddressees", (*_BODY, e.AddressingError)),
    ("put", "/content/{sha256}"): Operation(
        "putContent", (*_BODY, e.ContentMismatchError, e.ContentQuotaError, e.ContentFullError), {**_LOCATION, **_ETAG}
    ),
    ("get", "/content/{sha256}"): Operation(
        "getContent", (*_PARAMETERS, e.NotFoundError, e.ContentDamagedError), _ETAG
    ),
    ("post", "/api/v1/uploads"): Operation(
        "beginUpload",
        (*_TUS, e.TooLargeError, e.UploadQuotaError, e.ContentQuotaError, e.ContentFullError),
        {**_LOCATION, **_UPLOAD},
    ),
    ("head", "/api/v1/uploads/{sha256}"): Operation(
        "getUploadOffset", (*_TUS, e.NotFoundError, e.UploadExpiredError), _UPLOAD
    ),
    ("patch", "/api/v1/uploads/{sha256}"): Operation(
        "sendUploadBytes",
        (
            *_TUS,
            *(e.NotFoundError, e.UploadExpiredError, e.OffsetConflictError, e.TooLargeError),
            *(e.UnsupportedMediaError, e.StalledError, e.UploadMismatchError, e.ContentFullError),
        ),
        _UPLOAD,
    ),
    ("delete", "/api/v1/uploads/{sha256}"): Operation(
        "endUpload", (*_TUS, e.NotFoundError), {"Tus-Resumable": _UPLOAD["Tus-Resumable"]}
    ),
    ("put", "/api/v1/copies/{chain}/{number}"): Operation(
        "addCopyPiece", (*_BODY, e.CopyChainError, e.UnknownAttachmentError)
    ),
    ("get", "/api/v1/copies"): Operation("listCopies"),
    ("get", "/api/v1/copies/{chain}/{number}"): Operation(
        "getCopyPiece", (*_PARAMETERS, e.NotFoundError, e.ContentDamagedError), _ETAG
    ),
    ("get", "/api/v1/units/{code}/deliveries"): Operation("listUnitDeliveries", (*_PARAMETERS, e.NotFoundError)),
    ("get", "/api/v1/log/checkpoint"): Operation(
        "getCheckpoint",
        (*_PARAMETERS, e.NotFoundError),
        {"ETag": "Of the note, with what is signed below it.", HEADER_LOG_KEY: "By whom the log is signed."},
    ),
    ("get", "/api/v1/log/tile/{tile}"): Operation("getTile", (*_PARAMETERS, e.NotFoundError, e.MalformedError)),
    ("get", "/api/v1/log/consistency"): Operation("proveConsistency", (*_PARAMETERS, e.NotFoundError)),
    ("post", "/api/v1/certificates"): Operation(
        "postCertificate",
        (
            *(e.MalformedError, e.StalledError, e.TooLargeError, e.UnsupportedMediaError),
            *(e.NotFoundError, e.CertificateAllowanceError),
        ),
    ),
    ("get", "/livez"): Operation("getLiveness", (e.MalformedError,)),
    ("get", "/readyz"): Operation("getReadiness", _PARAMETERS),
    ("get", "/metrics"): Operation("getMetrics", (e.MalformedError, e.UnauthorizedError, e.ForbiddenError)),
}
OPEN = frozenset({"/livez", "/readyz", "/metrics"})
"""Paths that need no account; `/metrics` wants one from callers elsewhere."""
