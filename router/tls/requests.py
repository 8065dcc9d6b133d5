"""Requests for certificates (PKCS #10, RFC 2986): made by who has the key, read by who signs."""

import ipaddress
import re
from collections.abc import Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from router.tls.errors import RequestError
from schemas.accounts import parse_account

MAX_REQUEST_BYTES = 4096
"""An RSA key of 4096 bits asks with 1.7 kB in PEM, one on P-256 with 0.4 kB."""
MAX_COMMON_NAME = 64
"""Characters (RFC 5280, ub-common-name)."""
MAX_NAMES = 50
_LABEL = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)")
_MAX_HOST = 253
_CURVES = (ec.SECP256R1, ec.SECP384R1)
_RSA_BITS = range(2048, 4097)
_PEM_MARK = b"-----BEGIN"


def new_key() -> ec.EllipticCurvePrivateKey:
    """A key on P-256: certificates and handshakes with it are the smallest that everybody understands."""
    return ec.generate_private_key(ec.SECP256R1())


def request_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    """A request that asks for nothing but a certificate for this key, as DER: whose it is, the signer knows."""
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .sign(key, SHA256())
        .public_bytes(Encoding.DER)
    )


def key_of_request(data: bytes) -> CertificatePublicKeyTypes:
    """The key that a request proves to have; whatever else it asks for is not looked at.

    Args:
        data: PEM or DER.

    Raises:
        RequestError: it cannot be read, its signature is wrong, or its key is too weak or of a kind not known.
    """
    if len(data) > MAX_REQUEST_BYTES:
        raise RequestError(f"the request has more than {MAX_REQUEST_BYTES} bytes")
    load = x509.load_pem_x509_csr if data.lstrip().startswith(_PEM_MARK) else x509.load_der_x509_csr
    try:
        request = load(data)
        proven, key = request.is_signature_valid, request.public_key()
    except (ValueError, UnsupportedAlgorithm, InvalidSignature, TypeError) as error:
        raise RequestError(f"this is no request for a certificate: {error}", "send PKCS #10, as PEM or DER") from error
    if not proven:
        raise RequestError("the request is not signed by the key that it names", "make it anew")
    if not _is_strong(key):
        raise RequestError("keys are of P-256, P-384, Ed25519, or RSA of 2048 to 4096 bits", "make one on P-256")
    return key


def _is_strong(key: object) -> bool:
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(key.curve, _CURVES)
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size in _RSA_BITS
    return isinstance(key, ed25519.Ed25519PublicKey)


def server_names(texts: Sequence[str]) -> tuple[x509.GeneralName, ...]:
    """Names and addresses that a server's certificate is for, the first one its common name.

    Raises:
        RequestError: one is neither a DNS name nor an address, or there are none or too many.
    """
    if not 1 <= len(texts) <= MAX_NAMES:
        raise RequestError(f"a server has 1 to {MAX_NAMES} names, not {len(texts)}")
    return tuple(_server_name(text) for text in dict.fromkeys(texts))


def account_name(text: str) -> str:
    """The account that a client's certificate is for: the name that the broker and the web API know it by.

    Raises:
        RequestError: it is none, or too long for a certificate.
    """
    try:
        name = parse_account(text).name
    except ValueError as error:
        raise RequestError(str(error)) from error
    if len(name) > MAX_COMMON_NAME:
        raise RequestError(
            f"the account name {name} has more than {MAX_COMMON_NAME} characters, the most that a certificate holds",
            "use an account for a unit further up, or with a shorter label",
        )
    return name


def _server_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text.strip("[]")))
    except ValueError:
        pass
    name = text.lower()
    labels = name.removeprefix("*.").split(".")
    if len(name) > _MAX_HOST or not all(_LABEL.fullmatch(label) for label in labels) or labels[-1].isdigit():
        raise RequestError(
            f"{text!r} is neither a DNS name nor an address",
            "write it as broker.tinh.vn, *.tinh.vn, localhost or 10.1.2.3, without scheme and port; other letters than "
            "a to z in their form xn--",
        )
    if name.startswith("*.") and len(labels) < 2:  # noqa: PLR2004 - a star above a top-level domain is trusted by nobody
        raise RequestError(f"{text!r} stands for too many names", "write it as *.tinh.vn")
    return x509.DNSName(name)
