"""The way to the mail server: a connection that is encrypted and logged in as the settings say, and what it answers."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.message import Message

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from router.mail.errors import MailDelayedError, MailRefusedError, MailServerAwayError
from router.mail.notices import plain
from router.mail.settings import MailSettings

MOST_SECONDS = 120.0
"""For one e-mail, all answers of the server together; a claim lasts longer."""
_LASTING = 500
"""From this reply code on a refusal is for ever (RFC 5321, 4.2.1)."""


@asynccontextmanager
async def connected(settings: MailSettings) -> AsyncIterator[SMTP]:
    """A connection to the mail server, until the block ends.

    Raises:
        MailServerAwayError: it does not answer, has no such encryption, or refuses the login.
    """
    client = SMTP(
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
    try:
        async with asyncio.timeout(MOST_SECONDS):
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
        MailServerAwayError: it takes nothing from this sender.
        MailDelayedError: it puts the message off, or the connection was lost: whether it has it is not known then.
        MailRefusedError: it will not take the message.
    """
    try:
        async with asyncio.timeout(MOST_SECONDS):
            await client.send_message(message, sender=sender, recipients=[address])
    except SMTPSenderRefused as error:
        raise MailServerAwayError(f"the mail server takes nothing from {sender}: {_said(error)}") from error
    except SMTPRecipientsRefused as error:
        code = max(refused.code for refused in error.recipients)
        raise _of_code(code, _said(error.recipients[0])) from error
    except SMTPResponseException as error:
        raise _of_code(error.code, _said(error)) from error
    except (SMTPException, OSError) as error:
        client.close()
        raise MailDelayedError(_said(error)) from error
    except BaseException:
        client.close()  # where its conversation was left, nobody knows
        raise


def _of_code(code: int, said: str) -> MailDelayedError | MailRefusedError:
    return MailRefusedError(said) if code >= _LASTING else MailDelayedError(said)


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
    context = ssl.create_default_context()
    if settings.authorities is not None:
        context.load_verify_locations(settings.authorities)
    return context


def _own_name() -> str:
    """How we greet the server: this machine's name, asked of no name server."""
    name = socket.gethostname()
    return name if name.isascii() and "." in name else "[127.0.0.1]"


def _said(error: BaseException) -> str:
    """What an error says, on one line, whatever its bytes (RFC 5321 asks for ASCII, servers answer as they like)."""
    text = f"{error.code} {error.message}" if isinstance(error, SMTPResponseException) else str(error)
    return plain(text.encode(errors="surrogateescape").decode(errors="replace")) or type(error).__name__
