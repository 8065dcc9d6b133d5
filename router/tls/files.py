"""The files that a client of TLS is told: whom to trust beside the system's store, and what to show of itself."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


class TlsFilesError(ValueError):
    """A file of certificates cannot be used; the message names the file, its setting and how to mend it."""

    exit_code = 2


Identity = tuple[tuple[int, int, int] | None, ...]
"""By which a changed file is known: of each its inode, size and time of change; None: it is not there."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files, and the settings that name them.

    Attributes:
        authorities: certificates of authorities that are trusted beside the system's.
        certificate: the client's own, with its chain.
        key: of that certificate; None: it stands in the same file.
        authorities_setting: the variable by which a person names the first.
        certificate_setting: the same for the second.
        key_setting: and for the third.
        awaited: the certificate may come later, as from the router; while it is not there, none is shown.
    """

    authorities: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    authorities_setting: str = "CONGVAN_CA_FILE"
    certificate_setting: str = "CONGVAN_CLIENT_CERTIFICATE"
    key_setting: str = "CONGVAN_CLIENT_CERTIFICATE_KEY"
    awaited: bool = False

    @property
    def named(self) -> Mapping[str, Path]:
        """Those that are set, by their variables."""
        all_of_them = {
            self.authorities_setting: self.authorities,
            self.certificate_setting: self.certificate,
            self.key_setting: self.key,
        }
        return {name: path for name, path in all_of_them.items() if path is not None}

    def identity(self) -> Identity:
        """What differs when one of them was changed or replaced."""
        return tuple(_identity(path) for path in self.named.values())

    def load_into(self, context: ssl.SSLContext) -> None:
        """Have a context trust and show what they hold.

        Raises:
            TlsFilesError: one is not there, cannot be read, holds something else, or the key is of another certificate.
        """
        if self.key is not None and self.certificate is None:
            raise TlsFilesError(f"{self.key_setting} is set without {self.certificate_setting}; set both, or neither")
        if self.authorities is not None:
            _require_readable(self.authorities_setting, self.authorities)
            self._trust(context, self.authorities)
        if self.certificate is not None and not (self.awaited and not self.certificate.exists()):
            _require_readable(self.certificate_setting, self.certificate)
            _require_readable(self.key_setting, self.key or self.certificate)
            self._show(context, self.certificate)

    def _trust(self, context: ssl.SSLContext, authorities: Path) -> None:
        try:
            context.load_verify_locations(authorities)
        except (ssl.SSLError, OSError) as error:
            raise TlsFilesError(
                f"{self.authorities_setting}: {authorities} holds no certificate of an authority that can be read "
                f"({error}); it has to be PEM, `-----BEGIN CERTIFICATE-----`"
            ) from error

    def _show(self, context: ssl.SSLContext, certificate: Path) -> None:
        try:
            # An empty password: whoever encrypted the key is not there to be asked for his.
            context.load_cert_chain(certificate, self.key, password="")
        except (ssl.SSLError, OSError, ValueError) as error:
            raise TlsFilesError(self._why_not_shown(certificate, error)) from error

    def _why_not_shown(self, certificate: Path, error: Exception) -> str:
        key = self.key or certificate
        if is_mismatch(error):
            return (
                f"the key in {key} does not belong to the certificate in {certificate}: one of the two was renewed "
                f"without the other; bring both ({self.certificate_setting}, {self.key_setting})"
            )
        return (
            f"{self.certificate_setting}: {certificate} and its key {key} cannot be used ({error}); both have to be "
            "PEM, the certificate before its chain, the key without a passphrase"
        )


def is_mismatch(error: BaseException) -> bool:
    """Whether a key was refused because it is of another certificate."""
    return isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH"


def _require_readable(setting: str, path: Path) -> None:
    try:
        with path.open("rb"):
            return
    except OSError as error:
        raise TlsFilesError(f"{setting}: {path} cannot be read: {error.strerror}; see its path and rights") from error


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
