"""The way to the mail server: a connection that is encrypted and logged in as the settings say, and what it answers."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from email.message import Message
from typing import Any

from aiosmtplib import SMTP, SMTPException, SMTPResponseException

from router.mail.errors import MailDelayedError, MailServerAwayError
from router.mail.notices import plain
from router.mail.replies import Step, refusal
from router.mail.settings import MailSettings
from router.tls.contexts import ClientContext
from router.tls.files import TlsFiles

CONFIRM_SECONDS = 600.0
"""For the server's word that it has an e-mail: whoever waits for less sends it twice (RFC 5321, 4.5.3.2.6)."""
_BEGIN_SECONDS, _RESET_SECONDS = 120.0, 10.0
"""For all that comes before the content, and for forgetting an envelope."""
MOST_SECONDS = _BEGIN_SECONDS + _BEGIN_SECONDS + CONFIRM_SECONDS + _RESET_SECONDS
"""For one e-mail, all answers of the server together; a claim lasts longer."""


@asynccontextmanager
async def connected(settings: MailSettings) -> AsyncIterator[SMTP]:
    """A connection to the mail server, until the block ends.

    Raises:
        MailServerAwayError: it does not answer, has no such encryption, or refuses the login.
    """
    try:
        client = _client(settings)
        async with asyncio.timeout(_BEGIN_SECONDS):
            await client.connect()
    except (SMTPException, OSError, ValueError) as error:
        place = f"{settings.host}:{settings.port_there}"
        raise MailServerAwayError(f"the mail server {place} takes nothing from us: {_said(error)}") from error
    try:
        yield client
    finally:
        await _leave(client)


async def hand_over(client: SMTP, message: Message, sender: str, address: str) -> None:
    """Have the server take a message; when this returns, the server has confirmed that it has it.

    Raises:
        MailServerAwayError: it takes nothing now, or the connection was lost before it had anything.
        MailDoubtedError: it does not take this one, maybe none.
        MailDelayedError: it puts the message off, or the connection was lost: whether it has it is not known then.
        MailRefusedError: it will not take the message.
    """
    content = message.as_bytes()
    await _step(client, Step.SENDER, client.mail(sender, options=_size(client, content)), within=_BEGIN_SECONDS / 2)
    await _step(client, Step.RECIPIENT, client.rcpt(address), within=_BEGIN_SECONDS / 2)
    data = client.data(content, timeout=CONFIRM_SECONDS)
    await _step(client, Step.CONTENT, data, within=_BEGIN_SECONDS + CONFIRM_SECONDS)


async def _step(client: SMTP, step: Step, saying: Coroutine[Any, Any, object], *, within: float) -> None:
    """Say something to the server, and wait so many seconds for its answer."""
    try:
        async with asyncio.timeout(within):
            await saying
    except SMTPResponseException as error:
        await _reset(client)
        raise refusal(step, error.code, _said(error)) from error
    except (SMTPException, OSError) as error:
        client.close()
        if step is Step.CONTENT:
            raise MailDelayedError(_said(error)) from error
        raise MailServerAwayError(f"the connection to the mail server was lost: {_said(error)}") from error
    except BaseException:
        client.close()  # where its conversation was left, nobody knows
        raise


async def _reset(client: SMTP) -> None:
    """Have the server forget an envelope; where it does not answer, the connection ends."""
    try:
        if client.is_connected:
            await client.rset(timeout=_RESET_SECONDS)
    except (SMTPException, OSError):
        client.close()


def _size(client: SMTP, content: bytes) -> list[str]:
    """What a server is told first that wants to know how large an e-mail is (RFC 1870): its lines end by two bytes."""
    size = len(content) + content.count(b"\n")
    return [f"SIZE={size}"] if client.supports_extension("size") else []


def _client(settings: MailSettings) -> SMTP:
    return SMTP(
        hostname=settings.host,
        port=settings.port_there,
        username=settings.user or None,
        password=settings.password.get_secret_value() or None,
        local_hostname=_own_name(),
        timeout=settings.timeout,
        use_tls=settings.tls == "implicit",
        start_tls=settings.tls == "starttls",
        tls_context=_tls(settings),
    )


async def _leave(client: SMTP) -> None:
    """Say goodbye; a server that does not answer it has what it confirmed."""
    try:
        if client.is_connected:
            await client.quit(timeout=5)
    except (SMTPException, OSError):
        pass
    finally:
        client.close()


def _tls(settings: MailSettings) -> ssl.SSLContext | None:
    if settings.tls == "none":
        return None
    return ClientContext(TlsFiles(settings.authorities, authorities_setting="CONGVAN_MAIL_AUTHORITIES"))


def _own_name() -> str:
    """How we greet the server: this machine's name, asked of no name server."""
    name = socket.gethostname()
    return name if name.isascii() and "." in name else "[127.0.0.1]"


def _said(error: BaseException) -> str:
    """What an error says, on one line, whatever its bytes (RFC 5321 asks for ASCII, servers answer as they like)."""
    text = f"{error.code} {error.message}" if isinstance(error, SMTPResponseException) else str(error)
    return plain(text.encode(errors="surrogateescape").decode(errors="replace")) or type(error).__name__
