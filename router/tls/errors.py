"""What is wrong with a certificate, a key or an authority's directory.

::

    TlsError                  a sentence that names the file, and how to mend it
    ├── CertificateError      a certificate or key that cannot be read, or does not fit
    ├── AuthorityError        an authority that is not there, is not whole, or may not do what is asked
    └── RequestError          a request for a certificate that cannot be granted as it is
"""

from typing import ClassVar


class TlsError(Exception):
    """Base of the kit's errors.

    Args:
        message: what is wrong, and in which file.
        hint: how to mend it.
    """

    exit_code: ClassVar[int] = 4

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class CertificateError(TlsError):
    """A certificate or a key cannot be read, has ended, or does not belong to the other."""

    exit_code: ClassVar[int] = 2


class AuthorityError(TlsError):
    """An authority's directory is not there or not whole, or what is asked of it is not possible."""


class RequestError(TlsError):
    """A request for a certificate, or the names in it, cannot be granted as they are."""

    exit_code: ClassVar[int] = 2
