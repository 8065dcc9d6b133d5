"""What is remembered of a handshake that failed: the name that was asked for, and the certificate that was shown."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from router.tls.files import TlsFiles


@dataclass(frozen=True, slots=True)
class ShownCertificate:
    """A certificate as far as a person needs it to know which it is; times are UTC seconds."""

    names: tuple[str, ...]
    issuer: str
    not_before: float
    not_after: float


@dataclass(frozen=True, slots=True)
class Attempt:
    """One handshake; it is hung on the error that ended it, as ``error.attempt``."""

    files: TlsFiles
    asked: str
    shown: ShownCertificate | None


def attempt_of(error: BaseException) -> Attempt | None:
    """What is known of the handshake that an error ended; None: it was none of ours."""
    found = getattr(error, "attempt", None)
    return found if isinstance(found, Attempt) else None


def ends_at(info: Mapping[str, Any]) -> int:
    """When a certificate ends, UTC milliseconds, as the standard library tells it."""
    return round(ssl.cert_time_to_seconds(str(info["notAfter"])) * 1000)


def read_shown(info: Mapping[str, Any]) -> ShownCertificate:
    """A certificate as the standard library tells it (:meth:`ssl.SSLSocket.getpeercert`)."""
    named = tuple(str(value) for _kind, value in info.get("subjectAltName", ()))
    return ShownCertificate(
        names=named or _common_names(info.get("subject", ())),
        issuer=", ".join(_common_names(info.get("issuer", ()))),
        not_before=float(ssl.cert_time_to_seconds(str(info["notBefore"]))),
        not_after=float(ssl.cert_time_to_seconds(str(info["notAfter"]))),
    )


def _common_names(subject: Any) -> tuple[str, ...]:
    return tuple(str(value) for part in subject for kind, value in part if kind == "commonName")
