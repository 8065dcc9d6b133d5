"""How notices go out by e-mail: one setting of routers and desks, each of which talks to the mail server by itself."""

import math
import re
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from router.mail.addresses import checked_address
from schemas.encrypted import is_loopback
from schemas.settings import PREFIX, ProgramSettings

Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]
_PORTS = {"starttls": 587, "implicit": 465, "none": 25}
"""Of submission with STARTTLS (RFC 6409), of submission over TLS (RFC 8314), and of mail servers among themselves."""
_MAX_URL = 200
_HOUR = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)")


def _hour(text: str) -> str:
    if not _HOUR.fullmatch(text):
        raise ValueError(f"{text!r} is no time of day; write it as 07:30")
    return text


def _sender(text: str) -> str:
    return checked_address(text) if text else text


def page_url(text: str) -> str:
    """An address under which browsers find pages, without a slash at its end.

    Raises:
        ValueError: it is none.
    """
    if len(text) > _MAX_URL or (text and not re.fullmatch(r"https?://[^\s/?#@<>]+/?", text)):
        raise ValueError(f"{text!r} is no address of pages; write it as https://congvan.tinh.vn")
    return text.rstrip("/")


PageUrl = Annotated[str, AfterValidator(page_url)]


class MailSettings(ProgramSettings):
    """What is needed to send e-mail. Durations are in seconds."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}MAIL_", extra="ignore", frozen=True)
    toml_table: ClassVar[str] = "mail"

    host: str = Field(default="", description="The mail server that notices are handed to; empty: none are sent.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(
        default=0, description="Its port; 0: 587 with starttls, 465 with implicit, 25 with none."
    )
    tls: Literal["starttls", "implicit", "none"] = Field(
        default="starttls",
        description="How the way there is encrypted: by STARTTLS, from the first byte, or not at all.",
    )
    allow_plaintext: bool = Field(
        default=False, description="Talk to another machine without TLS; only where the way is protected otherwise."
    )
    authorities: Path | None = Field(
        default=None, description="Certificates of authorities to trust besides the system's, as PEM."
    )
    user: str = Field(default="", description="The login at the mail server; empty: none is needed.")
    password: SecretStr = Field(default=SecretStr(""), description="Its password.")
    sender: Annotated[str, AfterValidator(_sender)] = Field(
        default="", description="The address that notices come from, as congvan@tinh.vn."
    )
    timeout: Seconds = Field(
        default=30.0,
        description="How long each answer of the mail server may take; its word that it has an e-mail: ten minutes.",
    )
    attempts: Count = Field(
        default=20, description="Tries of an e-mail that the server puts off, before it is given up, visibly."
    )
    digest_at: Annotated[str, AfterValidator(_hour)] = Field(
        default="07:30", description="When the digest of a working day is made, by the office's clock."
    )
    group_seconds: Seconds = Field(
        default=600.0, description="Of what comes in numbers, one e-mail per person in so long, with all of it."
    )
    kept: Annotated[float, Field(ge=30 * 86_400)] = Field(
        default=90 * 86_400.0, description="How long it is remembered what was told; at least thirty days."
    )

    @property
    def is_on(self) -> bool:
        """Whether there is a mail server."""
        return bool(self.host)

    @property
    def port_there(self) -> int:
        """The port, where none is set that of the kind of encryption."""
        return self.port or _PORTS[self.tls]

    @property
    def digest_minute(self) -> int:
        """When the digest is made, in minutes since midnight."""
        hours, _, minutes = self.digest_at.partition(":")
        return int(hours) * 60 + int(minutes)

    @property
    def days_kept(self) -> int:
        """How long it is remembered what was told, in days."""
        return math.ceil(self.kept / 86_400)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if not self.host:
            return self
        if not self.sender:
            raise ValueError("CONGVAN_MAIL_HOST needs CONGVAN_MAIL_SENDER: the address that notices come from")
        if bool(self.user) is not bool(self.password.get_secret_value()):
            raise ValueError("a login at the mail server needs both CONGVAN_MAIL_USER and CONGVAN_MAIL_PASSWORD")
        if self.tls == "none" and not is_loopback(self.host) and not self.allow_plaintext:
            raise ValueError(
                f"notices and the login would reach {self.host} in clear; set CONGVAN_MAIL_TLS to starttls or "
                "implicit, or CONGVAN_MAIL_ALLOW_PLAINTEXT=true where the way is protected otherwise"
            )
        return self
