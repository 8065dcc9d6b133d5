"""The form of an e-mail (RFC 5322): plain text and plain HTML, made by the standard library, the same at every try.

By its older classes: the newer ones lose spaces between the encoded words of a long line (seen with Python 3.11).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from router.mail.notices import NoticeText, plain
from router.pages.language import translations

TEMPLATES = Path(__file__).with_name("templates")
MAX_TOLD = 100
"""Notices that one e-mail tells in full; of the others it says how many they are."""
_MAX_NAME = 100


@dataclass(frozen=True, slots=True)
class MailParts:
    """What an e-mail is made of.

    Args:
        id: of the outbox.
        sender: the address that it comes from.
        address: whom it goes to.
        name: how that person is called; empty: not known.
        language: of its words.
        label: what its kind is called, in English.
        made_at: when it was made, UTC milliseconds.
        notices: what it tells.
        choices: the page on which its person chooses what comes; empty: it is not known where pages are found.
        stop: the link that stops its kind; empty: as there.
    """

    id: str
    sender: str
    address: str
    name: str
    language: str
    label: str
    made_at: int
    notices: Sequence[NoticeText]
    choices: str = ""
    stop: str = ""


def message_of(parts: MailParts) -> MIMEMultipart:
    """The e-mail; no text of it can become a header or another recipient."""
    message = MIMEMultipart("alternative")
    message["From"] = f"congvan <{parts.sender}>"
    message["To"] = _named(plain(parts.name, _MAX_NAME), parts.address)
    message["Subject"] = Header(subject_of(parts), "utf-8", header_name="Subject").encode()
    message["Date"] = format_datetime(datetime.fromtimestamp(parts.made_at // 1000, UTC))
    message["Message-ID"] = message_id(parts.id, parts.sender)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence answers it
    if parts.stop:
        message["List-Unsubscribe"] = f"<{parts.stop}>"
        if parts.stop.startswith("https://"):
            message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058, which asks for https
    told, more = parts.notices[:MAX_TOLD], max(len(parts.notices) - MAX_TOLD, 0)
    environment = _environment(parts.language)
    for kind, file in (("plain", "notice.txt"), ("html", "notice.html")):
        text = environment.get_template(file).render(parts=parts, told=told, more=more)
        message.attach(MIMEText(text, kind, "utf-8"))
    return message


def _named(name: str, address: str) -> str:
    """A recipient with the person's name before the address."""
    header = Header(header_name="To")
    if name:
        header.append(name, "utf-8")
    header.append(f"<{address}>", "us-ascii")
    return header.encode()


def subject_of(parts: MailParts) -> str:
    """What its notices are about: the first one's title, and how many more there are."""
    title = plain(parts.notices[0].title)
    more = len(parts.notices) - 1
    words = translations(parts.language).ngettext("%(title)s (and %(num)s more)", "%(title)s (and %(num)s more)", more)
    return words % {"title": title, "num": more} if more else title


def message_id(mail: str, sender: str) -> str:
    """By which mail systems know an e-mail that came twice."""
    return f"<{mail}@{sender.rpartition('@')[2]}>"


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html"]),
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.install_gettext_translations(translations(language), newstyle=True)  # type: ignore[attr-defined]
    return environment
