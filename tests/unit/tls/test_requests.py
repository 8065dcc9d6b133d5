"""Requests for certificates: only proven keys that are strong enough, and nothing else that they ask for."""

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from router.tls.errors import RequestError
from router.tls.requests import MAX_REQUEST_BYTES, key_of_request, new_key, request_of


def made(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, encoding: Encoding = Encoding.DER) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "operator:LCA.#")])
    return x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, SHA256()).public_bytes(encoding)


@pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
def test_a_request_gives_its_key_and_nothing_else(encoding: Encoding) -> None:
    key = new_key()
    found = key_of_request(made(key, encoding))
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    assert found.public_bytes(*form) == key.public_key().public_bytes(*form)


def test_our_own_request_is_small() -> None:
    assert len(request_of(new_key())) < 250


def test_a_request_that_somebody_changed_is_refused() -> None:
    data = bytearray(request_of(new_key()))
    data[-1] ^= 1
    with pytest.raises(RequestError):
        key_of_request(bytes(data))


def test_a_weak_key_is_refused() -> None:
    for key in (rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP192R1())):  # noqa: S505 - the point
        with pytest.raises(RequestError):
            key_of_request(made(key))


@pytest.mark.parametrize("data", [b"", b"\x30\x80", b"-----BEGIN CERTIFICATE REQUEST-----\n", b"x" * 10_000])
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(RequestError):
        key_of_request(data)
    assert len(request_of(new_key())) < MAX_REQUEST_BYTES
