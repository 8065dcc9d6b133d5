"""The settings of gateway and desk: ``CONGVAN_GATEWAY_<NAME>``, ``CONGVAN_DESK_<NAME>``, or in the TOML file's tables.

There they stand in lower case, in ``[gateway]`` and ``[desk]``.
"""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from router.mail.settings import PageUrl
from router.tls.files import TlsFiles
from schemas.accounts import Account, Role
from schemas.attachment import MAX_ATTACHMENT_BYTES
from schemas.codes import UnitPattern
from schemas.retry import RETRY_FIRST, RETRY_MAX, SINK_ATTEMPTS
from schemas.settings import PREFIX, ProgramSettings, state_home
from schemas.zone import zone

Seconds = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]


OWN_CERTIFICATE = "client.pem"
"""The file of the certificate that the gateway has of the router."""


def default_data_dir() -> Path:
    """Where a gateway keeps its spool when nothing is said."""
    return state_home() / "congvan-gateway"


class DeskSettings(ProgramSettings):
    """What a desk reads at its start; whose spool it shows, CONGVAN_GATEWAY_DATA_DIR says."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}DESK_", extra="ignore", frozen=True)
    toml_table: ClassVar[str] = "desk"

    host: str = Field(default="127.0.0.1", description="Where it listens; on a LAN only with a certificate.")
    port: Annotated[int, Field(ge=0, le=65535)] = Field(default=8480, description="The port; 0: any that is free.")
    certificate: Path | None = Field(default=None, description="Its certificate with the chain, as PEM.")
    certificate_key: Path | None = Field(default=None, description="That certificate's key; empty: in its file.")
    allow_plaintext: bool = Field(
        default=False, description="Listen beyond this machine without TLS; only where the way is protected otherwise."
    )
    trusted_proxies: tuple[str, ...] = Field(default=(), description="Addresses or networks of proxies before it.")
    connections_per_address: Count = Field(default=100, description="Connections at once from one address.")
    public_url: PageUrl = Field(
        default="", description="Where browsers find it, as https://desk.xa.vn, for links in e-mails; empty: no links."
    )
    form_style: Literal["state", "party"] = Field(
        default="state", description="Whose head printed registers, slips and reports have: the State's or the Party's."
    )
    form_above: Annotated[str, Field(max_length=200)] = Field(
        default="", description="The body above the unit, as the head of printed forms names it; empty: none."
    )
    form_body: Annotated[str, Field(max_length=200)] = Field(
        default="", description="The unit, as the head of printed forms names it; empty: by its name in the directory."
    )
    max_file_bytes: Annotated[int, Field(gt=0, le=MAX_ATTACHMENT_BYTES)] = Field(
        default=256 * 1024**2, description="Largest file that is sent from the desk."
    )


class GatewaySettings(ProgramSettings):
    """What a gateway reads at its start. Durations are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(env_prefix=f"{PREFIX}GATEWAY_", extra="ignore", frozen=True)
    toml_table: ClassVar[str] = "gateway"
    login_urls: ClassVar[tuple[str, ...]] = ("amqp_url", "origin_url", "webhook_url")

    data_dir: Path = Field(default_factory=default_data_dir, description="Where spool and content are kept.")
    units: UnitPattern = Field(default="", validate_default=False, description="The unit, or the subtree as LCA.02.#.")
    account: str = Field(default="", description="The gateway's login; empty: gateway:<units>.")
    token: SecretStr = Field(default=SecretStr(""), description="The gateway's token, for the broker and for HTTP.")
    amqp_url: str = Field(default="", description="AMQP URL of the broker with vhost, without login.")
    origin_url: str = Field(default="http://127.0.0.1:8470", description="Where the router serves content.")
    allow_plaintext: bool = Field(
        default=False, description="Talk to other machines without TLS; only where the way is protected otherwise."
    )
    ca_file: Path | None = Field(
        default=None,
        description="Certificates of authorities to trust besides the system's, as PEM: for broker, router, webhook.",
    )
    client_certificate: Path | None = Field(
        default=None, description="The certificate, with its chain, that broker and router are shown, as PEM."
    )
    client_certificate_key: Path | None = Field(
        default=None, description="That certificate's key, as PEM without a passphrase; empty: in the same file."
    )
    client_certificate_from_router: bool = Field(
        default=False,
        description="Have a client certificate of the router, for which this gateway makes the key, and renew it in "
        "time: it lies in tls/client.pem under data_dir.",
    )
    sink: Literal["none", "folder", "webhook", "command"] = Field(
        default="folder", description="Where documents are handed to."
    )
    keep_files: bool = Field(
        default=False,
        description="Keep files for the desk though a sink takes them, too; with sink none they always are.",
    )
    inbox_dir: Path | None = Field(default=None, description="The folder sink's root; empty: inbox under data_dir.")
    outbox_dir: Path | None = Field(
        default=None, description="Where people put what the unit sends; empty: outbox under data_dir."
    )
    webhook_url: str = Field(default="", description="Where the webhook sink posts to.")
    webhook_token: SecretStr = Field(default=SecretStr(""), description="Sent as a bearer token by the webhook sink.")
    command: tuple[str, ...] = Field(default=(), description="The command sink's program and arguments (JSON list).")
    sink_timeout: Seconds = Field(default=60.0, description="How long one hand-over to a webhook or command may take.")
    sink_attempts: Count = Field(default=SINK_ATTEMPTS, description="Tries of the sink before a document is parked.")
    retry_first: Seconds = Field(default=RETRY_FIRST, description="Pause after the first failure; doubles with jitter.")
    retry_max: Seconds = Field(default=RETRY_MAX, description="Longest pause between tries.")
    parallel_fetches: Count = Field(default=4, description="Attachments fetched at once on a fast line; else one.")
    parallel_hand_overs: Count = Field(default=8, description="Documents of one lane handed to the sink at once.")
    no_progress_timeout: Seconds = Field(default=25.0, description="A transfer without a byte for so long is resumed.")
    receive_window: int = Field(
        default=0, ge=0, description="Bytes the kernel takes ahead per fetch; 0: as the measured rate asks for."
    )
    prefetch: Count = Field(
        default=200, description="Unacked descriptors per queue, within the 128 MiB that a gateway takes ahead at most."
    )
    burst_linger: Annotated[float, Field(ge=0)] = Field(
        default=2.0, description="How long receipts wait for more: ten confirms, at most this; express ones never."
    )
    max_document_bytes: Count = Field(default=2 * 1024**3, description="Larger attachments are parked, not fetched.")
    dictionary_bytes: int = Field(
        default=64 * 1024**2,
        ge=0,
        description="What is kept of what came, so that what is like it comes as the difference; 0: nothing.",
    )
    gap_after: Seconds = Field(default=60.0, description="A sequence number missing for so long is asked for.")
    presence_interval: Annotated[int, Field(ge=5, le=86_400)] = Field(
        default=60,
        description="How often the router is told how the line stands; silent for three of these, the line is down.",
    )
    units_refresh: Seconds = Field(default=300.0, description="How often the router is asked which units are hosted.")
    retention: Seconds = Field(
        default=180 * 24 * 3600.0,
        description="How long the spool remembers what has ended; and keeps the files, where it does.",
    )
    backup_dir: Path | None = Field(
        default=None,
        description="Where a copy of the whole database is made every day, as a stick; never made itself; empty: none.",
    )
    backups_kept: Count = Field(default=7, description="Copies that stay in backup_dir.")
    disk_reserve_bytes: int = Field(default=16 * 1024**2, ge=0, description="Free bytes that stay on the disk.")

    @property
    def timezone(self) -> str:
        """IANA name of the organisation's zone, which is not this program's alone."""
        return zone().key

    @property
    def tls_dir(self) -> Path:
        """Where the certificate is kept that the gateway has of the router."""
        return self.data_dir / "tls"

    @property
    def own_certificate(self) -> Path:
        """The file of that certificate: with its key, and the certificate of its authority."""
        return self.tls_dir / OWN_CERTIFICATE

    @property
    def tls_files(self) -> TlsFiles:
        """Whom the gateway trusts, and what it shows of itself to broker and router: what is given, else its own."""
        own = self.client_certificate_from_router and self.client_certificate is None
        return TlsFiles(
            self.ca_file,
            self.own_certificate if own else self.client_certificate,
            self.client_certificate_key,
            awaited=own,
            authorities_setting="CONGVAN_GATEWAY_CA_FILE",
            certificate_setting="CONGVAN_GATEWAY_CLIENT_CERTIFICATE",
            key_setting="CONGVAN_GATEWAY_CLIENT_CERTIFICATE_KEY",
        )

    @property
    def webhook_tls_files(self) -> TlsFiles:
        """Whom it trusts where the unit's own system is; to which it shows no certificate."""
        return TlsFiles(self.ca_file, authorities_setting="CONGVAN_GATEWAY_CA_FILE")

    @property
    def login(self) -> str:
        """The name of its account at the broker."""
        return self.account or Account(Role.GATEWAY, self.units).name
