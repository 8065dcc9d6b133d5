"""An issuer of certificates as tests need them: good ones, and each kind of wrong one."""

import ipaddress
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


@dataclass
class Issuer:
    """An authority in a directory of a test's own.

    Args:
        directory: where files are written.
        name: of the authority, and of its file.
    """

    directory: Path
    name: str = "tests"
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.write_authority(self.authority)

    @property
    def authority(self) -> Path:
        """Its own certificate."""
        return self.directory / f"{self.name}-ca.pem"

    def write_authority(self, path: Path) -> None:
        """Put its own certificate into a file, in the place of whatever is there."""
        public = self._key.public_key()
        made = (
            _begun(self._own_name, self._own_name, public, timedelta(0))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .sign(self._key, SHA256())
        )
        replace(path, made.public_bytes(Encoding.PEM))

    def issue(self, *names: str, shift: timedelta = timedelta(0), into: Pair | None = None) -> Pair:
        """A certificate for names and addresses.

        Args:
            names: the first is its common name, too.
            shift: moves its time, which is two days before and after now.
            into: files that are replaced; None: new ones.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
        by = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        made = (
            _begun(subject, self._own_name, key.public_key(), shift)
            .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
            .add_extension(by, critical=False)
            .sign(self._key, SHA256())
        )
        stem = f"{self.name}-{made.serial_number:x}"
        pair = into or Pair(self.directory / f"{stem}.pem", self.directory / f"{stem}.key")
        replace(pair.key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        replace(pair.certificate, made.public_bytes(Encoding.PEM))
        return pair

    @property
    def _own_name(self) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self.name)])


def replace(path: Path, content: bytes) -> None:
    """Put a file in the place of another at once, readable by its owner alone."""
    new = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
        out.write(content)
    new.replace(path)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _begun(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, shift: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC) + shift
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - 2 * DAY)
        .not_valid_after(now + 2 * DAY)
    )
