"""Makes certificates: what is in a root's, an issuing authority's, a server's and a client's."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes, PrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from router.tls.certificates import common_name
from router.tls.errors import AuthorityError
from router.tls.requests import MAX_COMMON_NAME

_BACKDATED = timedelta(hours=1)
"""A machine whose clock is a little late takes a new certificate all the same."""
_ROOM_FOR_SUFFIX = 16


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs: a certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Life:
    """How long a certificate is good: so many days from now (UTC ms) on."""

    now_ms: int
    days: int

    @property
    def now(self) -> datetime:
        """Its begin, in whole seconds, as certificates have them."""
        return datetime.fromtimestamp(self.now_ms // 1000, UTC)

    @property
    def end(self) -> datetime:
        """Its end."""
        return self.now + timedelta(days=self.days)


@dataclass(frozen=True, slots=True)
class Leaf:
    """Whom a certificate is for: a server of these names, or an account."""

    names: tuple[x509.GeneralName, ...]
    account: str | None

    @property
    def subject(self) -> x509.Name:
        """The account alone: a server is known by its alternative names, and one may be too long for a common name."""
        text = self.account or str(self.names[0].value)
        return _name(text) if len(text) <= MAX_COMMON_NAME else x509.Name([])


def leaf_of(certificate: x509.Certificate) -> Leaf:
    """Whom a certificate was issued for, to issue another."""
    try:
        named = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return Leaf((), common_name(certificate.subject))
    return Leaf(tuple(named), None)


def require_usable(name: str) -> None:
    """Go on with a name that certificates can hold.

    Raises:
        AuthorityError: it is empty, too long, or more than a line.
    """
    most = MAX_COMMON_NAME - _ROOM_FOR_SUFFIX
    if not name.strip() or len(name) > most or not name.isprintable():
        raise AuthorityError(f"the name has 1 to {most} characters of one line", 'as in --name "UBND tỉnh Lào Cai"')


def root_certificate(name: str, key: ec.EllipticCurvePrivateKey, life: Life) -> x509.Certificate:
    """A root, signed by itself."""
    subject = _name(f"{name} root")
    begun = _begun(subject, subject, key.public_key(), life).not_valid_after(life.end)
    return _of_authority(begun, key, key, below=1)


def issuing_certificate(root: Issuer, key: ec.EllipticCurvePrivateKey, life: Life) -> x509.Certificate:
    """An issuing authority; it may sign no other authority, and ends with its root at the latest.

    Raises:
        AuthorityError: the root has ended.
    """
    name = common_name(root.certificate.subject).removesuffix(" root")
    begun = _begun(_name(f"{name} issuing"), root.certificate.subject, key.public_key(), life)
    return _of_authority(begun.not_valid_after(_end(root, life)), key, root.key, below=0)


def sign_leaf(leaf: Leaf, key: CertificatePublicKeyTypes, issuer: Issuer, life: Life) -> x509.Certificate:
    """A server's or a client's certificate; it ends with its issuer's at the latest.

    Raises:
        AuthorityError: the issuer's has ended.
    """
    usage = ExtendedKeyUsageOID.CLIENT_AUTH if leaf.account is not None else ExtendedKeyUsageOID.SERVER_AUTH
    begun = (
        _begun(leaf.subject, issuer.certificate.subject, key, life)
        .not_valid_after(_end(issuer, life))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.key.public_key()), critical=False)
    )
    if leaf.names:  # RFC 5280: critical where the subject is empty
        begun = begun.add_extension(x509.SubjectAlternativeName(leaf.names), critical=not list(leaf.subject))
    return begun.sign(issuer.key, SHA256())


def sealed_key(key: ec.EllipticCurvePrivateKey, passphrase: bytes | None) -> bytes:
    """A key as PEM, encrypted where there is a passphrase."""
    how: KeySerializationEncryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


def require_ec(key: PrivateKeyTypes, path: Path) -> ec.EllipticCurvePrivateKey:
    """An authority's key, which is on a curve.

    Raises:
        AuthorityError: it is another's.
    """
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise AuthorityError(f"the key in {path} is none of this authority's", "put the file of before back")
    return key


def _of_authority(
    begun: x509.CertificateBuilder,
    key: ec.EllipticCurvePrivateKey,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    below: int,
) -> x509.Certificate:
    own, by = key.public_key(), issuer_key.public_key()
    return (
        begun.add_extension(x509.BasicConstraints(ca=True, path_length=below), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by), critical=False)
        .sign(issuer_key, SHA256())
    )


def _begun(
    subject: x509.Name, issuer: x509.Name, key: CertificatePublicKeyTypes, life: Life
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(life.now - _BACKDATED)
    )


def _end(issuer: Issuer, life: Life) -> datetime:
    last = issuer.certificate.not_valid_after_utc
    if last <= life.now:
        raise AuthorityError(
            f"{common_name(issuer.certificate.subject)} ended on {last:%Y-%m-%d}, so it can sign nothing",
            "`congvan pki renew` with the root's key in place makes the next issuing authority",
        )
    return min(life.end, last)


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
