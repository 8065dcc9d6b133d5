"""Reads certificates and their keys: whose they are, until when they are good, and whether two files fit."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import NameOID

from router.tls.errors import CertificateError

MAX_FILE_BYTES = 256 * 1024
"""Of a PEM file; a bundle of all public authorities would be no server's chain."""
DAY_MS = 86_400_000
SOON_DAYS = 30
"""A certificate that ends within so many days is shown wherever people look."""
_RENEWED_IN_LAST = 3
"""A certificate is renewed in the last third of its life: of 90 days in the last 30, of one day in the last 8 hours."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says; times are UTC milliseconds.

    Attributes:
        names: DNS names and addresses that it is for.
        subject: the common name, or the whole name where there is none.
        issuer: the same of who signed it.
        serial: hexadecimal.
        is_ca: whether it may sign others.
        fingerprint: SHA-256 of its DER form, hexadecimal.
    """

    names: tuple[str, ...]
    subject: str
    issuer: str
    serial: str
    not_before: int
    not_after: int
    is_ca: bool
    fingerprint: str

    def days_left(self, now_ms: int) -> float:
        """Days from a moment to its end; negative after it."""
        return (self.not_after - now_ms) / DAY_MS

    def ends_soon(self, now_ms: int) -> bool:
        """Whether somebody should look: it is due, and ends within a month; who renews in time is never told of."""
        return self.is_due(now_ms) and self.days_left(now_ms) < SOON_DAYS

    def is_due(self, now_ms: int) -> bool:
        """Whether the last third of its life has begun."""
        return (self.not_after - now_ms) * _RENEWED_IN_LAST < self.not_after - self.not_before


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate with what stands between it and its root, and the key that it belongs to."""

    chain: tuple[x509.Certificate, ...]
    key: PrivateKeyTypes

    @property
    def certificate(self) -> Certificate:
        """The certificate itself."""
        return described(self.chain[0])

    def pem(self) -> bytes:
        """Both in one file, the key first; without roots, which whoever trusts them has: on a thin line they cost."""
        sent = [item for number, item in enumerate(self.chain) if not number or item.subject != item.issuer]
        return key_pem(self.key) + chain_pem(sent)


def read_certificate(path: Path) -> Certificate:
    """The first certificate of a PEM file.

    Raises:
        CertificateError: the file cannot be read, or holds none.
    """
    return described(chain_in(_read(path), path)[0])


def read_der(data: bytes) -> Certificate:
    """A certificate as a connection shows it.

    Raises:
        CertificateError: it is none.
    """
    try:
        return described(x509.load_der_x509_certificate(data))
    except ValueError as error:
        raise CertificateError(f"what the other side showed is no certificate: {error}") from error


def read_pair(certificate: Path, key: Path | None = None) -> Pair:
    """A server's or a client's certificate with its chain and its key.

    Args:
        certificate: a PEM file, the certificate first.
        key: a PEM file; None: the key stands in the certificate's file.

    Raises:
        CertificateError: a file cannot be read, or the two do not fit.
    """
    pair = Pair(chain_in(_read(certificate), certificate), key_in(_read(key or certificate), key or certificate))
    require_fit(pair, f"{key or certificate}", f"{certificate}")
    return pair


def require_fit(pair: Pair, key_name: str, certificate_name: str) -> None:
    """Go on only with a key and a certificate that belong together.

    Raises:
        CertificateError: they do not, or it is an authority's certificate.
    """
    if not belongs(pair.key, pair.chain[0]):
        raise CertificateError(
            f"the key in {key_name} is not that of the first certificate in {certificate_name}",
            "one of the two was renewed without the other: put both in place; the certificate comes before its chain",
        )
    if pair.certificate.is_ca:
        raise CertificateError(
            f"{certificate_name} begins with the certificate of the authority {pair.certificate.subject}",
            "the server's own certificate comes first, what signed it after it",
        )


def belongs(key: PrivateKeyTypes, certificate: x509.Certificate) -> bool:
    """Whether a key is the one of a certificate."""
    return _spki(key) == _spki(certificate)


def require_current(certificate: Certificate, now_ms: int) -> None:
    """Go on only within a certificate's time.

    Raises:
        CertificateError: it has ended, or has not begun; the clock may be what is wrong.
    """
    if now_ms >= certificate.not_after:
        raise CertificateError(
            f"the certificate of {certificate.subject} ended {-certificate.days_left(now_ms):.1f} days ago", "renew it"
        )
    if now_ms < certificate.not_before:
        raise CertificateError(
            f"the certificate of {certificate.subject} begins in {(certificate.not_before - now_ms) / DAY_MS:.1f} days",
            "is this machine's clock right?",
        )


def described(certificate: x509.Certificate) -> Certificate:
    """What a certificate says."""
    return Certificate(
        names=_names(certificate),
        subject=common_name(certificate.subject),
        issuer=common_name(certificate.issuer),
        serial=f"{certificate.serial_number:x}",
        not_before=_ms(certificate.not_valid_before_utc),
        not_after=_ms(certificate.not_valid_after_utc),
        is_ca=_is_ca(certificate),
        fingerprint=certificate.fingerprint(SHA256()).hex(),
    )


def chain_in(data: bytes, path: Path) -> tuple[x509.Certificate, ...]:
    """The certificates of a PEM file, in its order; ``path`` is for the error.

    Raises:
        CertificateError: there is none, or one cannot be read.
    """
    try:
        return tuple(x509.load_pem_x509_certificates(data))
    except ValueError as error:
        raise CertificateError(
            f"{path} holds no certificate that can be read as PEM: {error}",
            "it begins with -----BEGIN CERTIFICATE-----; `openssl x509 -inform der` makes it from a DER file",
        ) from error


def key_in(data: bytes, path: Path, passphrase: bytes | None = None) -> PrivateKeyTypes:
    """The private key of a PEM file; ``path`` is for the error.

    Raises:
        CertificateError: there is none, or it needs a passphrase that is not the one given.
    """
    try:
        return load_pem_private_key(data, passphrase)
    except TypeError as error:
        needs = passphrase is None
        raise CertificateError(
            f"the key in {path} {'is encrypted' if needs else 'is not encrypted'}",
            "give its passphrase" if needs else "leave the passphrase out",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateError(
            f"{path} holds no private key that can be read as PEM"
            + (", or the passphrase is another" if passphrase is not None else ""),
            "it begins with -----BEGIN PRIVATE KEY-----",
        ) from error


def key_pem(key: PrivateKeyTypes) -> bytes:
    """A key as PEM, not encrypted."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def chain_pem(chain: list[x509.Certificate] | tuple[x509.Certificate, ...]) -> bytes:
    """Certificates as PEM, one after the other."""
    return b"".join(item.public_bytes(Encoding.PEM) for item in chain)


def common_name(name: x509.Name) -> str:
    """The common name, or the whole name where there is none."""
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if found else name.rfc4514_string()


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    hosts = named.get_values_for_type(x509.DNSName)
    addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address | ipaddress.IPv4Network | ipaddress.IPv6Network]
    addresses = list(named.get_values_for_type(x509.IPAddress))
    return (*hosts, *map(str, addresses))


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _spki(holder: PrivateKeyTypes | x509.Certificate) -> bytes:
    return holder.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise CertificateError(
            f"{path} cannot be read: {error.strerror}", "name another file, or mend its rights"
        ) from error
    if len(data) > MAX_FILE_BYTES:
        raise CertificateError(f"{path} has more than {MAX_FILE_BYTES} bytes", "a chain is a few certificates")
    return data
