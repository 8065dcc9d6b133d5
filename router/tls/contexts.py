"""Contexts of a client: what a library is given once, and what is made anew behind it when its files change.

Libraries take one context for good. So they are given one that has nothing itself: each connection is made by another
behind it, which is made anew when one of the files was changed. A renewed certificate is used by the next connection,
and one that no longer is among the authorities is no longer trusted.

It also remembers sessions, so that a connection which is made again costs no certificates (RFC 8446 2.2, RFC 5077). A
session is of one server's name, and is not taken up again when the certificate that began it has ended.
"""

import socket
import ssl
import time
from dataclasses import dataclass
from typing import Any, Self

import structlog

from router.tls.attempt import Attempt, ShownCertificate, read_shown
from router.tls.files import Identity, TlsFiles, TlsFilesError, is_mismatch
from router.tls.troubles import TlsTrouble, trouble_of
from schemas.clock import now_ms
from schemas.events import Event
from schemas.reasons import WORDS, ReasonCode

log = structlog.get_logger()
_NO_FILES = TlsFiles()


@dataclass(frozen=True, slots=True)
class TlsStanding:
    """What stands in the way of connections.

    Attributes:
        to: what is connected to, in a word.
        code: one of :mod:`router.tls.troubles`.
        reason: what was met, a sentence.
        advice: what to do.
        since: UTC milliseconds.
    """

    to: str
    code: ReasonCode
    reason: str
    advice: str
    since: int


class ClientContext(ssl.SSLContext):
    """A context for the connections of one kind to one or several servers; it knows what stands in their way.

    Args:
        files: see :class:`router.tls.files.TlsFiles`; no longer readable later, what was read last is used on.
        to: what is connected to, in a word, for log and people.
        resumes: whether sessions are remembered.

    Raises:
        TlsFilesError: one of the files cannot be used.

    Attributes:
        spoilt: why the files that lie there now are not used, for people; empty: they are.
        last: what the last connection met that failed; None: nothing of TLS, or whoever looks has taken it.
    """

    spoilt: str
    last: TlsTrouble | None
    _to: str
    _met: TlsStanding | None
    _files: TlsFiles
    _resumes: bool
    _identity: Identity
    _inner: "_Inner | None"
    _code: ReasonCode
    _spoilt_at: int

    def __new__(cls, files: TlsFiles = _NO_FILES, *, to: str = "server", resumes: bool = True) -> Self:
        """Make it, with what its files hold now."""
        made = super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)
        made._files, made._resumes, made._to, made.spoilt = files, resumes, to, ""
        made._met, made._spoilt_at, made.last = None, 0, None
        made._identity = files.identity()
        made._inner = made._made() if files.named else None  # the system's store takes time to read
        return made

    @property
    def standing(self) -> TlsStanding | None:
        """What stands in the way now, or will at the next restart; None: nothing."""
        if self._met is None and self.spoilt:
            return TlsStanding(self._to, self._code, self.spoilt, WORDS[self._code].advice_en, self._spoilt_at)
        return self._met

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002 - the library's signature
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """As asyncio asks for it."""
        inner = self._current()
        session = session or inner.session_for(server_hostname)
        return inner.wrap_bio(incoming, outgoing, server_side, server_hostname, session)

    def wrap_socket(  # noqa: PLR0917 - the library's signature
        self,
        sock: socket.socket,
        server_side: bool = False,  # noqa: FBT001, FBT002 - the library's signature
        do_handshake_on_connect: bool = True,  # noqa: FBT001, FBT002 - as above
        suppress_ragged_eofs: bool = True,  # noqa: FBT001, FBT002 - as above
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        """As pika asks for it."""
        inner = self._current()
        session = session or inner.session_for(server_hostname)
        return inner.wrap_socket(
            sock, server_side, do_handshake_on_connect, suppress_ragged_eofs, server_hostname, session
        )

    def forget_sessions(self) -> None:
        """Begin the next connections from the first."""
        self._current().sessions.clear()

    def failed(self, error: ssl.SSLError) -> None:
        """A connection was not made, or ended at once."""
        trouble = self.last = trouble_of(error)
        if trouble is not None and (self._met is None or self._met.reason != trouble.text):
            self._tell(trouble)

    def worked(self) -> None:
        """Something came over a connection."""
        if self._met is not None:
            log.info(Event.TLS_TROUBLE_OVER, to=self._to, code=self._met.code.value)
            self._met = None

    def _tell(self, trouble: TlsTrouble) -> None:
        """Log what is new: not the passing of time in a sentence of the same kind."""
        is_same = self._met is not None and self._met.code is trouble.code
        since = self._met.since if self._met is not None and is_same else now_ms()
        self._met = TlsStanding(self._to, trouble.code, trouble.text, trouble.advice, since)
        if not is_same:
            log.warning(
                Event.TLS_TROUBLE, to=self._to, code=trouble.code.value, reason=trouble.text, advice=trouble.advice
            )

    def _current(self) -> "_Inner":
        identity = self._files.identity()
        if self._inner is None:
            self._inner = self._made()
        elif identity != self._identity:
            self._renew()
        self._identity = identity
        return self._inner

    def _renew(self) -> None:
        try:
            self._inner = self._made()
        except TlsFilesError as error:
            self.spoilt, self._spoilt_at = str(error), now_ms()
            self._code = ReasonCode.TLS_KEY_MISMATCH if is_mismatch(error.__cause__ or error) else ReasonCode.TLS_FILES
            log.warning(Event.TLS_FILES_REFUSED, to=self._to, code=self._code.value, reason=self.spoilt)
        else:
            self.spoilt = ""
            log.info(Event.TLS_FILES_READ, to=self._to, files=[str(path) for path in self._files.named.values()])

    def _made(self) -> "_Inner":
        made = _Inner(ssl.PROTOCOL_TLS_CLIENT)
        made.owner, made.files, made.resumes, made.sessions = self, self._files, self._resumes, {}
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an authority may be trusted without the one above it
        made.load_default_certs()
        self._files.load_into(made)
        made.sslobject_class, made.sslsocket_class = _Bio, _Socket
        return made


class _Inner(ssl.SSLContext):
    """One reading of the files, and the sessions that were begun with it."""

    owner: ClientContext
    files: TlsFiles
    resumes: bool
    sessions: dict[str, tuple[ssl.SSLSession, float]]

    def session_for(self, name: str | bytes | None) -> ssl.SSLSession | None:
        """The session to go on with at a server; None: begin from the first."""
        session, good_until = self.sessions.get(_text(name), (None, 0.0))
        return session if time.time() < good_until else None

    def remember(self, made: "ssl.SSLObject | ssl.SSLSocket", name: str | bytes | None) -> bool:
        """Remember how a connection can be taken up again; whether it is known by now."""
        session = made.session
        if session is None or not (session.has_ticket or made.version() == "TLSv1.2"):
            return False
        peer = made.getpeercert()
        if peer:
            self.sessions[_text(name)] = session, read_shown(peer).not_after
        return True


class _Remembering:
    """What both of the library's connections do besides: remember their session, and why they were not made."""

    context: Any
    server_hostname: Any
    _sslobj: Any
    _is_noted = False

    def note(self) -> None:
        """Something was read. Remember the session, once: with TLS 1.3 its ticket comes with what is read first."""
        if not self._is_noted:
            inner: _Inner = self.context
            inner.owner.worked()
            self._is_noted = not inner.resumes or inner.remember(self, self.server_hostname)  # type: ignore[arg-type]

    def tell(self, error: ssl.SSLError) -> None:
        """Hang on an error what was asked for and what was shown."""
        if isinstance(error, ssl.SSLWantReadError | ssl.SSLWantWriteError):
            return
        inner: _Inner = self.context
        attempt = Attempt(inner.files, _text(self.server_hostname), self._shown())
        error.attempt = attempt  # type: ignore[attr-defined]
        inner.owner.failed(error)

    def _shown(self) -> ShownCertificate | None:
        """The server's certificate, also one that was refused: the public method knows only what was accepted."""
        chain = self._sslobj.get_unverified_chain() if self._sslobj is not None else None
        return read_shown(chain[0].get_info()) if chain else None


class _Bio(_Remembering, ssl.SSLObject):
    """A connection in memory, as asyncio uses it."""

    def do_handshake(self) -> None:
        try:
            ssl.SSLObject.do_handshake(self)
        except ssl.SSLError as error:
            self.tell(error)
            raise

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - the library's name
        try:
            got = ssl.SSLObject.read(self, len, buffer)
        except ssl.SSLError as error:
            self.tell(error)
            raise
        self.note()
        return got


class _Socket(_Remembering, ssl.SSLSocket):
    """A connection on a socket, as pika uses it."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002 - the library's signature
        try:
            ssl.SSLSocket.do_handshake(self, block)
        except ssl.SSLError as error:
            self.tell(error)
            raise

    def read(self, len: int = 1024, buffer: Any = None) -> Any:  # noqa: A002 - the library's name
        try:
            got = ssl.SSLSocket.read(self, len, buffer)
        except ssl.SSLError as error:
            self.tell(error)
            raise
        self.note()
        return got


def _text(name: str | bytes | None) -> str:
    return name.decode() if isinstance(name, bytes) else name or ""
