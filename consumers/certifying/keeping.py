"""The files of the gateway's certificate: the one in use, and the key that a next one is asked for with.

``client.pem`` holds key, certificate and the authority's certificate, and is replaced whole. The key of the next one
lies beside it before anybody is asked, so that a kill at any point costs a repetition of the request and no more.
"""

from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from consumers.settings import OWN_CERTIFICATE
from router.tls.certificates import (
    Certificate,
    Pair,
    belongs,
    chain_pem,
    key_in,
    key_pem,
    read_pair,
    require_fit,
)
from router.tls.errors import CertificateError
from router.tls.keeping import make_private_directory, replace_file
from router.tls.requests import new_key

_NEXT_KEY = "next.key"


class OwnCertificate:
    """The files.

    Args:
        directory: where they are; made when something is to be kept.
        account: whose certificate it has to be.
    """

    def __init__(self, directory: Path, account: str) -> None:
        self._directory = directory
        self._account = account

    @property
    def path(self) -> Path:
        """The file in use."""
        return self._directory / OWN_CERTIFICATE

    def current(self) -> Certificate | None:
        """What is in use; None: there is none, or none that is of use."""
        try:
            found = read_pair(self.path).certificate
        except CertificateError:
            return None
        return found if found.subject == self._account else None

    def next_key(self) -> ec.EllipticCurvePrivateKey:
        """The key that a new certificate is asked for with, from the disk if it was made already."""
        path = self._directory / _NEXT_KEY
        try:
            found = key_in(path.read_bytes(), path)
        except (OSError, CertificateError):
            found = None
        if isinstance(found, ec.EllipticCurvePrivateKey):
            return found
        made = new_key()
        make_private_directory(self._directory)
        replace_file(path, key_pem(made))
        return made

    def adopt(self, key: ec.EllipticCurvePrivateKey, found: Sequence[x509.Certificate]) -> Certificate:
        """Put what the router gave in the place of the one of before.

        Args:
            key: that was asked with.
            found: the certificates of the answer, in any order.

        Raises:
            CertificateError: none of them is for this key and this account.
        """
        own = next((item for item in found if belongs(key, item)), None)
        if own is None:
            raise CertificateError("the router answered with no certificate for the key that it was asked for")
        pair = Pair((own, *(item for item in found if item is not own)), key)
        require_fit(pair, "the key", "the answer")
        certificate = pair.certificate
        if certificate.subject != self._account:
            raise CertificateError(f"the router answered with a certificate for {certificate.subject!r}")
        replace_file(self.path, key_pem(key) + chain_pem(pair.chain))
        (self._directory / _NEXT_KEY).unlink(missing_ok=True)
        return certificate
