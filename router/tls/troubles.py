"""What it means that a TLS connection was not made: one closed list of states, each with a sentence and what to do.

The errors of four libraries end here: the standard library's, and those that pika, aiohttp and libpq make of them. A
line that goes in the midst of a handshake is none of this: it is left to who knows lines.
"""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from router.tls.attempt import Attempt, ShownCertificate, attempt_of
from router.tls.files import TlsFiles
from schemas.reasons import WORDS, ReasonCode

R = ReasonCode
_DEPTH = 20
_VERIFY = {
    9: R.TLS_NOT_YET_VALID,
    10: R.TLS_EXPIRED,
    62: R.TLS_OTHER_NAME,
    64: R.TLS_OTHER_NAME,
    **dict.fromkeys((2, 7, 18, 19, 20, 21, 30, 31), R.TLS_UNKNOWN_CA),
}
"""OpenSSL's ``X509_V_ERR_…`` (x509_vfy.h, the same since 1.1): two for names, eight for chains that end nowhere."""
_REASONS = {
    "KEY_VALUES_MISMATCH": R.TLS_KEY_MISMATCH,
    **dict.fromkeys(("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL"), R.TLS_NONE),
    **dict.fromkeys(("PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"), R.TLS_NONE),
}
_LINE = frozenset({"UNEXPECTED_EOF_WHILE_READING"})
_LIBPQ = (
    ("does not match host name", R.TLS_OTHER_NAME),
    ("server does not support SSL", R.TLS_NONE),
    ("requires a valid client certificate", R.TLS_CLIENT_WANTED),
    ("key values mismatch", R.TLS_KEY_MISMATCH),
    ("root certificate file", R.TLS_FILES),
    ("certificate file", R.TLS_FILES),
    ("private key file", R.TLS_FILES),
    ("certificate required", R.TLS_CLIENT_WANTED),
    ("alert ", R.TLS_CLIENT_REFUSED),
    ("SSL error", R.TLS_FAILED),  # of a certificate that is not trusted, too: why, it does not say
)
"""What libpq says instead of a code, in the order in which it is looked for."""


@dataclass(frozen=True, slots=True)
class TlsTrouble:
    """Why a connection is not made.

    Attributes:
        code: the state.
        text: what was met and where, a sentence.
        advice: what to do.
    """

    code: ReasonCode
    text: str
    advice: str


def trouble_of(
    error: BaseException, *, place: str = "", files: TlsFiles | None = None, now: datetime | None = None
) -> TlsTrouble | None:
    """What an error says of TLS; None: it is of something else, as a line that went.

    Args:
        error: of any of the libraries, wrapped as they do.
        place: what was connected to, for the sentence; empty: the name that was asked for.
        files: of a library that reads them itself, to name them.
        now: the present; None: by this machine's clock.
    """
    for found in _within(error):
        if isinstance(found, ssl.SSLError) and type(found).__module__ == ssl.__name__:  # aiohttp's only carry one
            return _of_openssl(found, place, files, now or datetime.now(UTC))
        told = getattr(found, "tls_trouble", None)
        if isinstance(told, TlsTrouble):
            return told
        if type(found).__module__.startswith("psycopg"):
            return _of_libpq(found, place, files or TlsFiles())
    return None


def _within(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it stands for, the outermost first."""
    seen: set[int] = set()
    waiting: list[BaseException] = [error]
    while waiting and len(seen) < _DEPTH:
        found = waiting.pop(0)
        if id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        inside = (found.__cause__, found.__context__, *_carried(found))
        waiting += [item for item in inside if isinstance(item, BaseException)]


def _carried(error: BaseException) -> Iterator[object]:
    """Where the libraries keep the error that they met: pika in two places, aiohttp in two, SQLAlchemy in one."""
    for name in ("orig", "os_error", "certificate_error", "exception"):
        yield getattr(error, name, None)
    yield from getattr(error, "exceptions", ())
    yield from error.args


def _of_openssl(error: ssl.SSLError, place: str, files: TlsFiles | None, now: datetime) -> TlsTrouble | None:
    attempt = attempt_of(error) or Attempt(files or TlsFiles(), "", None)
    where = place or attempt.asked or "the server"
    code = _code_of(error, attempt)
    if code is None:
        return None
    return TlsTrouble(code, _sentence(code, error, attempt, where, now), _advice(code, attempt))


def _code_of(error: ssl.SSLError, attempt: Attempt) -> ReasonCode | None:
    reason = error.reason or ""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFY.get(error.verify_code, R.TLS_FAILED)
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or reason in _LINE:
        return None
    return _REASONS.get(reason) or _of_alert(reason, attempt)


def _of_alert(reason: str, attempt: Attempt) -> ReasonCode:
    """What the other side's refusal means, which names no certificate but ours."""
    if "ALERT" in reason and ("CERTIFICATE" in reason or "UNKNOWN_CA" in reason or "ACCESS_DENIED" in reason):
        return R.TLS_CLIENT_REFUSED if attempt.files.certificate else R.TLS_CLIENT_WANTED
    if "HANDSHAKE_FAILURE" in reason and attempt.shown is not None and attempt.files.certificate is None:
        return R.TLS_CLIENT_WANTED  # TLS 1.2 has no word of its own for it; the ciphers were agreed on by then
    return R.TLS_FAILED


def _sentence(code: ReasonCode, error: ssl.SSLError, attempt: Attempt, where: str, now: datetime) -> str:
    shown = attempt.shown
    said = getattr(error, "verify_message", "") or error.reason or str(error)
    if code is R.TLS_EXPIRED and shown is not None:
        return f"{_ended(shown, where, now)}; this machine's clock says {_when(now.timestamp())}"
    if code is R.TLS_NOT_YET_VALID and shown is not None:
        begins = _when(shown.not_before)
        return f"the certificate of {where} begins at {begins}; this machine's clock says {_when(now.timestamp())}"
    if code is R.TLS_OTHER_NAME and shown is not None:
        return f"{attempt.asked or where} was asked for, the certificate shown is for {_names(shown)}"
    if code is R.TLS_UNKNOWN_CA and shown is not None:
        return f"the certificate of {where} is by {shown.issuer or 'nobody'}, which is not trusted here: {said}"
    return f"{where}: {WORDS[code].en} ({said})"


def _ended(shown: ShownCertificate, where: str, now: datetime) -> str:
    if shown.not_after < now.timestamp():
        return f"the certificate of {where} ended at {_when(shown.not_after)}"
    return f"a certificate in the chain of {where}, of {shown.issuer or 'its authority'}, has ended"


def _advice(code: ReasonCode, attempt: Attempt) -> str:
    files = attempt.files
    if code is R.TLS_UNKNOWN_CA:
        other = "" if files.authorities is None else f"; {files.authorities} does not hold it"
        return f"put the authority's certificate (PEM) in the file that {files.authorities_setting} names{other}"
    if code is R.TLS_CLIENT_WANTED:
        return f"set {files.certificate_setting} and {files.key_setting} to a certificate that the server accepts"
    if code is R.TLS_CLIENT_REFUSED:
        return f"renew {files.certificate} ({files.certificate_setting}), by an authority that the server trusts"
    if code is R.TLS_KEY_MISMATCH:
        return f"bring certificate and key of one issue: {files.certificate_setting}, {files.key_setting}"
    return WORDS[code].advice_en


def _of_libpq(error: BaseException, place: str, files: TlsFiles) -> TlsTrouble | None:
    said = " ".join(str(error).split())
    code = next((code for words, code in _LIBPQ if words in said), None)
    if code is None:
        return None
    if code is R.TLS_CLIENT_REFUSED and files.certificate is None:
        code = R.TLS_CLIENT_WANTED
    return TlsTrouble(code, f"{place or 'the ledger'}: {said}", _advice(code, Attempt(files, "", None)))


def _names(shown: ShownCertificate) -> str:
    return ", ".join(shown.names) or "nobody"


def _when(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"
