"""A private authority in a directory: a root, an issuing authority below it, and what that has issued.

::

    root.pem            what clients trust
    root.key            only to make the next issuing authority: may lie on a stick in a safe until then
    issuing.pem         key and certificate of the issuing authority
    servers/…, clients/…    a file for each that the authority renews: key, certificate, issuing authority's certificate
    issued/…            every certificate that was issued, until it has ended for a month

A key and its certificate are one file, which is replaced whole, so no reader ever has two that do not fit: nginx,
RabbitMQ, PostgreSQL and congvan all take one file for both. Whoever is killed leaves the file of before. There are no
lists of withdrawn certificates: lives are short, and who is no longer to come in has no account any more.
"""

import os
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from router.tls import signing
from router.tls.certificates import (
    DAY_MS,
    Certificate,
    chain_in,
    chain_pem,
    described,
    key_in,
    key_pem,
    read_certificate,
    read_pair,
)
from router.tls.errors import AuthorityError, CertificateError
from router.tls.keeping import DIRECTORY_MODE, alone_in, replace_file, sync_entries
from router.tls.requests import account_name, new_key, server_names
from router.tls.signing import Issuer, Life

ROOT_DAYS, ISSUING_DAYS, LEAF_DAYS = 3652, 730, 90
MAX_LEAF_DAYS = 397
"""The longest that browsers take of a server (CA/Browser Forum, baseline requirements)."""
_REMEMBERED_DAYS = 30
_ROOT, _ROOT_KEY, _ISSUING, _ISSUED = "root.pem", "root.key", "issuing.pem", "issued"
_PUBLIC = 0o644


class Kind(StrEnum):
    """What a certificate is for."""

    AUTHORITY = "authority"
    SERVER = "server"
    CLIENT = "client"

    @property
    def folder(self) -> str:
        """Where the files of servers and clients are."""
        return f"{self.value}s"


_LEAVES = (Kind.SERVER, Kind.CLIENT)


@dataclass(frozen=True, slots=True)
class Kept:
    """A certificate that the authority renews in its file."""

    kind: Kind
    path: Path
    certificate: Certificate


@dataclass(frozen=True, slots=True)
class Failure:
    """What should have been renewed and was not."""

    path: Path
    error: Exception


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a round of renewals did."""

    renewed: tuple[Kept, ...]
    failed: tuple[Failure, ...]


class Authority:
    """The authority of a directory; every method may be called from any thread and any number of processes.

    Args:
        directory: made by :func:`begin`.

    Raises:
        AuthorityError: there is none.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        if not (directory / _ROOT).is_file():
            raise AuthorityError(f"{directory} holds no authority", f"`congvan pki init {directory}` makes one")

    @property
    def root_file(self) -> Path:
        """What clients trust."""
        return self.directory / _ROOT

    def issuing(self) -> Certificate:
        """The issuing authority's certificate.

        Raises:
            CertificateError: its file is not there or not whole.
        """
        return read_certificate(self.directory / _ISSUING)

    def root(self) -> Certificate:
        """The root's certificate. Raises as :meth:`issuing`."""
        return read_certificate(self.root_file)

    def issue_server(self, names: Sequence[str], *, now_ms: int, days: int = LEAF_DAYS) -> Kept:
        """Make key and certificate for a server, in a file of its own.

        Raises:
            RequestError: a name is not valid.
            AuthorityError: there is one of that name already.
        """
        alternative = server_names(names)
        return self._begin(Kind.SERVER, str(alternative[0].value), signing.Leaf(alternative, None), Life(now_ms, days))

    def issue_client(self, account: str, *, now_ms: int, days: int = LEAF_DAYS) -> Kept:
        """The same for an account. Raises as :meth:`issue_server`."""
        name = account_name(account)
        return self._begin(Kind.CLIENT, name, signing.Leaf((), name), Life(now_ms, days))

    def sign_client(
        self, account: str, key: CertificatePublicKeyTypes, *, now_ms: int, days: int = LEAF_DAYS
    ) -> tuple[x509.Certificate, ...]:
        """A certificate for an account whose key is elsewhere, and the issuing authority's.

        Raises:
            RequestError: the account's name does not fit into a certificate.
            CertificateError: the issuing authority's file is not there or not whole.
            AuthorityError: its certificate has ended.
        """
        leaf = signing.Leaf((), account_name(account))
        with self._working():
            return self._sign(leaf, key, Life(now_ms, days))

    def kept(self) -> list[Kept]:
        """What is renewed here, what ends first first; a file that cannot be read raises as :meth:`issuing`."""
        found = [Kept(kind, path, read_certificate(path)) for kind, path in self._files()]
        return sorted(found, key=lambda item: item.certificate.not_after)

    def issued(self) -> list[Certificate]:
        """Every certificate that was issued and has not ended for a month, what ends first first."""
        found = [read_certificate(path) for path in (self.directory / _ISSUED).glob("*.pem")]
        return sorted(found, key=lambda item: item.not_after)

    def renew(self, *, now_ms: int, passphrase: bytes | None = None) -> Renewal:
        """Renew what is in the last third of its life, each by itself; what is not due is not touched.

        Args:
            now_ms: the present, UTC ms.
            passphrase: of the root's key, for when the issuing authority itself is due.
        """
        renewed: list[Kept] = []
        failed: list[Failure] = []
        with self._working():
            for path, work in self._due(now_ms, passphrase):
                try:
                    renewed += work()
                except (CertificateError, AuthorityError, OSError) as error:
                    failed.append(Failure(path, error))
            self._forget(now_ms)
        return Renewal(tuple(renewed), tuple(failed))

    def _due(self, now_ms: int, passphrase: bytes | None) -> Iterator[tuple[Path, Callable[[], list[Kept]]]]:
        yield self.directory / _ISSUING, lambda: self._renew_issuing(now_ms, passphrase)
        for kind, path in self._files():
            yield path, lambda kind=kind, path=path: self._renew_leaf(kind, path, now_ms)  # type: ignore[misc]

    def _renew_issuing(self, now_ms: int, passphrase: bytes | None) -> list[Kept]:
        path = self.directory / _ISSUING
        if path.exists() and not self.issuing().is_due(now_ms):
            return []
        root_key = self._root_key(passphrase)
        (root,) = chain_in(self.root_file.read_bytes(), self.root_file)
        replace_file(path, _issuing_pem(Issuer(root, root_key), now_ms))
        return [Kept(Kind.AUTHORITY, path, self.issuing())]

    def _renew_leaf(self, kind: Kind, path: Path, now_ms: int) -> list[Kept]:
        before = read_pair(path)
        if not before.certificate.is_due(now_ms):
            return []
        days = max(round((before.certificate.not_after - before.certificate.not_before) / DAY_MS), 1)
        return [self._keep(kind, path, signing.leaf_of(before.chain[0]), Life(now_ms, days))]

    def _root_key(self, passphrase: bytes | None) -> ec.EllipticCurvePrivateKey:
        path = self.directory / _ROOT_KEY
        if not path.is_file():
            raise AuthorityError(
                f"{path} is not there, and the issuing authority {self.directory / _ISSUING} is due",
                "bring the root's key back for this one command, then take it away again",
            )
        return signing.require_ec(key_in(path.read_bytes(), path, passphrase), path)

    def _begin(self, kind: Kind, name: str, leaf: signing.Leaf, life: Life) -> Kept:
        path = self.directory / kind.folder / f"{file_name(name)}.pem"
        with self._working():
            if path.exists():
                raise AuthorityError(
                    f"{path} is there already", "`congvan pki renew` renews it; remove the file to have it made anew"
                )
            return self._keep(kind, path, leaf, life)

    def _keep(self, kind: Kind, path: Path, leaf: signing.Leaf, life: Life) -> Kept:
        key = new_key()
        chain = self._sign(leaf, key.public_key(), life)
        replace_file(path, key_pem(key) + chain_pem(chain))
        return Kept(kind, path, described(chain[0]))

    def _sign(self, leaf: signing.Leaf, key: CertificatePublicKeyTypes, life: Life) -> tuple[x509.Certificate, ...]:
        path = self.directory / _ISSUING
        data = path.read_bytes() if path.is_file() else b""
        issuer = Issuer(chain_in(data, path)[0], signing.require_ec(key_in(data, path), path))
        made = signing.sign_leaf(leaf, key, issuer, life)
        # Noted before anybody has it: what is listed may be unused, what is used is listed.
        replace_file(self.directory / _ISSUED / f"{made.serial_number:x}.pem", chain_pem([made]), mode=_PUBLIC)
        return made, issuer.certificate

    def _files(self) -> list[tuple[Kind, Path]]:
        return [(kind, path) for kind in _LEAVES for path in sorted((self.directory / kind.folder).glob("*.pem"))]

    def _forget(self, now_ms: int) -> None:
        for litter in (self.directory / _ISSUED).glob("*.new"):  # of runs that were killed
            litter.unlink(missing_ok=True)
        for path in (self.directory / _ISSUED).glob("*.pem"):
            if read_certificate(path).not_after < now_ms - _REMEMBERED_DAYS * DAY_MS:
                path.unlink(missing_ok=True)

    @contextmanager
    def _working(self) -> Iterator[None]:
        owner = self.directory.stat().st_uid
        if os.geteuid() != owner:  # root could, and would leave files that the owner cannot read
            raise AuthorityError(
                f"{self.directory} belongs to another user (id {owner})",
                f"`setpriv --reuid {owner} --clear-groups congvan pki …` works as that one, or `sudo -u`",
            )
        with _IN_THIS_PROCESS, alone_in(self.directory):
            yield


_IN_THIS_PROCESS = threading.Lock()


def begin(directory: Path, name: str, *, now_ms: int, passphrase: bytes | None = None) -> Authority:
    """Make an authority: all of it is there, or nothing.

    Args:
        directory: must not be there yet, or be empty.
        name: of the organisation, as people who look at a certificate see it.
        now_ms: the present, UTC ms.
        passphrase: encrypts the root's key; None: it is not encrypted.

    Raises:
        AuthorityError: something is there already, or the name is not usable.
    """
    signing.require_usable(name)
    if directory.exists() and any(directory.iterdir()):
        raise AuthorityError(f"{directory} is not empty; nothing in it was touched", "name a new directory")
    making = directory.with_name(f".{directory.name}.making")
    directory.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    shutil.rmtree(making, ignore_errors=True)  # of a run that was killed
    making.mkdir(mode=DIRECTORY_MODE)
    for folder in (*(kind.folder for kind in _LEAVES), _ISSUED):
        (making / folder).mkdir(mode=DIRECTORY_MODE)
    root_key = new_key()
    root = signing.root_certificate(name, root_key, Life(now_ms, ROOT_DAYS))
    replace_file(making / _ROOT_KEY, signing.sealed_key(root_key, passphrase))
    replace_file(making / _ISSUING, _issuing_pem(Issuer(root, root_key), now_ms))
    replace_file(making / _ROOT, chain_pem([root]), mode=_PUBLIC)
    making.rename(directory)
    sync_entries(directory.parent)
    return Authority(directory)


def file_name(name: str) -> str:
    """What a server's or an account's file is called.

    >>> file_name("gateway:LCA.02.#"), file_name("*.tinh.vn")
    ('gateway_LCA.02.all', '_.tinh.vn')
    """
    return name.replace(":", "_").replace("#", "all").replace("*", "_")


def _issuing_pem(root: Issuer, now_ms: int) -> bytes:
    key = new_key()
    return key_pem(key) + chain_pem([signing.issuing_certificate(root, key, Life(now_ms, ISSUING_DAYS))])
