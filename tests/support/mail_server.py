"""A mail server as it runs elsewhere: a process of its own (aiosmtpd) with TLS and logins, whose answers tests set.

Started as a program it serves until it is ended. What it takes lies in its folder, one file an e-mail.
"""

import asyncio
import contextlib
import json
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any, cast

from router.mail.settings import MailSettings
from support.certificates import Certificates, certificates

USER, PASSWORD = "congvan", "mật khẩu của máy chủ thư"
DROP = "drop"
"""An answer: the server keeps the e-mail and hangs up before it confirms it."""
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
    _read: int = field(default=0)

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
        return [cast("EmailMessage", message_from_bytes(file.read_bytes(), policy=default)) for file in files]

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


def _serve(directory: Path, tls: str, chain: str, key: str, logins: str, port: str) -> None:
    from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

    counts: dict[str, int] = {}

    def reply_to(address: str) -> str:
        file = directory / "answers.json"
        replies = json.loads(file.read_text()).get(address, []) if file.exists() else []
        counts[address] = counts.get(address, 0) + 1
        return replies[counts[address] - 1] if counts[address] <= len(replies) else ""

    class Box:
        """Keeps what comes."""

        reply = ""

        async def handle_RCPT(  # noqa: N802 - the library's name
            self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
        ) -> str:
            self.reply = reply_to(address)
            if self.reply[:1].isdigit():
                return self.reply
            envelope.rcpt_tos.append(address)
            return "250 OK"

        async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
            number = len(list(directory.glob("*.eml")))
            told = f"X-To: {', '.join(envelope.rcpt_tos)}\r\nX-From: {envelope.mail_from}\r\n".encode()
            content = envelope.content if isinstance(envelope.content, bytes) else b""
            (directory / f"{number:06}.eml").write_bytes(told + content)
            if self.reply == HANG:
                await asyncio.sleep(3600)
            if self.reply == DROP and server.transport is not None:
                server.transport.abort()
            return "250 OK"

    def is_known(_server: SMTP, _session: Session, _envelope: Envelope, _way: str, given: object) -> AuthResult:
        known = isinstance(given, LoginPassword) and given.login == USER.encode() and given.password == PASSWORD.encode()
        return AuthResult(success=known, handled=known)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if tls != "none" else None
    if context is not None:
        context.load_cert_chain(chain, key)

    def made() -> SMTP:
        more: dict[str, Any] = {"tls_context": context, "require_starttls": True} if tls == "starttls" else {}
        if logins:
            more |= {"authenticator": is_known, "auth_required": True, "auth_require_tls": tls == "starttls"}
        return SMTP(Box(), enable_SMTPUTF8=False, hostname="thu.test", **more)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(made, "127.0.0.1", int(port), ssl=context if tls == "implicit" else None)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(run())


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), *sys.argv[2:])
