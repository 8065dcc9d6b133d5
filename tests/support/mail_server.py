"""A mail server as it runs elsewhere: a process of its own (aiosmtpd) with TLS and logins, whose answers tests set.

Started as a program it serves until it is ended. What it takes lies in its folder, one file an e-mail.
"""

import asyncio
import contextlib
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from router.mail.settings import MailSettings
from support.certificates import Certificates, certificates

USER, PASSWORD = "congvan", "mật khẩu của máy chủ thư"
AT_DATA = "data "
"""Before an answer: it is given when the e-mail was read."""
DROP_EARLY = "drop early"
"""An answer: the server hangs up before it has anything."""
DROP = "drop"
"""An answer: the server keeps the e-mail and hangs up before it confirms it."""
SLOW = "slow"
"""An answer: the server keeps the e-mail and confirms it when its folder has a file ``go``."""
HANG = "hang"
"""An answer: the server keeps the e-mail and never confirms it."""


@dataclass(slots=True)
class MailServer:
    """A running server."""

    port: int
    folder: Path
    process: "subprocess.Popen[str]"
    tls: str = "none"
    authority: Path | None = None
    logins: bool = False

    def settings(self, **more: Any) -> MailSettings:
        """What a program is told of it."""
        known: dict[str, Any] = {"host": "127.0.0.1", "port": self.port, "tls": self.tls, "sender": "congvan@tinh.vn"}
        known |= {"authorities": self.authority, "timeout": 10.0}
        known |= {"user": USER, "password": PASSWORD} if self.logins else {}
        return MailSettings(**(known | more))

    def answer(self, address: str, *replies: str) -> None:
        """What e-mails to an address are answered with, one after the other; then they are taken."""
        file = self.folder / "answers.json"
        known = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps(known | {address: list(replies)}))

    def taken(self) -> list[EmailMessage]:
        """All e-mails that it has, in their order; the header ``X-To`` has the envelope's recipients."""
        files = sorted(self.folder.glob("*.eml"))
        return [message_from_bytes(file.read_bytes(), policy=default) for file in files]

    def stop(self) -> None:
        """End it at once."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def mail_server(directory: Path, *, tls: str = "none", logins: bool = False, port: int = 0) -> Iterator[MailServer]:
    """Serve until the block ends; with ``tls`` the certificate is by an authority of its own."""
    directory.mkdir(parents=True, exist_ok=True)
    by: Certificates | None = certificates(directory, ["127.0.0.1"]) if tls != "none" else None
    options = [tls, str(by.chain) if by else "", str(by.key) if by else "", "logins" if logins else "", str(port)]
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", "support.mail_server", str(directory), *options],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    try:
        assert process.stdout is not None
        bound = int(process.stdout.readline())
        yield MailServer(bound, directory, process, tls, by.authority if by else None, logins)
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


class _Box:
    """Keeps what comes, as aiosmtpd's handlers do, and answers as tests want."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._counts: dict[str, int] = {}
        self._replies: dict[Session, str] = {}

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        self._replies[session] = reply = self._reply_to(address)
        if reply == DROP_EARLY:
            cast("asyncio.Transport", server.transport).abort()
        if reply[:1].isdigit():
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        self._keep(envelope)
        if self._replies[session] == HANG:
            await asyncio.sleep(3600)
        while self._replies[session] == SLOW and not (self._folder / "go").exists():  # noqa: ASYNC110 - a file of another process
            await asyncio.sleep(0.05)
        if self._replies[session].startswith(AT_DATA):
            return self._replies[session].removeprefix(AT_DATA)
        if self._replies[session] == DROP:
            cast("asyncio.Transport", server.transport).abort()
        return "250 OK"

    def _keep(self, envelope: Envelope) -> None:
        number = len(list(self._folder.glob("*.eml")))
        told = f"X-To: {', '.join(envelope.rcpt_tos)}\r\nX-From: {envelope.mail_from}\r\n".encode()
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        half = self._folder / "half"
        half.write_bytes(told + content)
        half.rename(self._folder / f"{number:06}.eml")

    def _reply_to(self, address: str) -> str:
        file = self._folder / "answers.json"
        replies: list[str] = json.loads(file.read_text()).get(address, []) if file.exists() else []
        self._counts[address] = self._counts.get(address, 0) + 1
        return replies[self._counts[address] - 1] if self._counts[address] <= len(replies) else ""


class _Serving(SMTP):
    """Answers in Latin-1, as servers do that never heard of UTF-8."""

    async def push(self, status: Any) -> None:
        await super().push(status.encode("latin-1") if isinstance(status, str) else status)


def _is_known(_server: SMTP, _session: Session, _envelope: Envelope, _way: str, given: object) -> AuthResult:
    known = isinstance(given, LoginPassword) and given.login == USER.encode() and given.password == PASSWORD.encode()
    return AuthResult(success=known, handled=known)


async def _serve(folder: Path, tls: str, chain: str, key: str, rest: Sequence[str]) -> None:
    logins, port = rest
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if tls != "none" else None
    if context is not None:
        context.load_cert_chain(chain, key)
    more: dict[str, Any] = {"tls_context": context, "require_starttls": True} if tls == "starttls" else {}
    if logins:
        more |= {"authenticator": _is_known, "auth_required": True, "auth_require_tls": tls == "starttls"}
    box, inside = _Box(folder), context if tls == "implicit" else None
    server = await asyncio.get_running_loop().create_server(
        lambda: _Serving(box, enable_SMTPUTF8=False, hostname="thu.test", **more), "127.0.0.1", int(port), ssl=inside
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:]))
