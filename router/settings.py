"""The router's settings: environment variables ``CONGVAN_<NAME>``, or the same names in lower case in the TOML file."""

from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, ClassVar, Self
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from router.mail.settings import PageUrl
from router.tls.files import TlsFiles
from router.tls.libpq import with_certificates
from schemas.encrypted import is_loopback, require_protected_ledger
from schemas.settings import state_home
from schemas.trust.notes import NoteKey
from schemas.zone import ZoneSettings

Seconds = Annotated[float, Field(gt=0)]
KeptSeconds = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(gt=0)]


def _network(text: str) -> str:
    try:
        return str(ip_network(text)) if "/" in text else str(ip_address(text))
    except ValueError:
        raise ValueError(f"{text!r} is no address and no network; write it as 10.1.2.3 or 10.1.0.0/16") from None


def _trusted_url(url: str) -> str:
    parts = urlsplit(url)
    is_here = parts.scheme == "http" and is_loopback(parts.hostname or "")
    if url and not (parts.hostname and (parts.scheme == "https" or is_here)):
        raise ValueError(f"{url!r} is no issuer; write it as https://login.example.vn/realms/tinh")
    return url


def _witness(text: str) -> str:
    url, _, key = text.strip().partition(" ")
    if not _trusted_url(url):
        raise ValueError(f"{text!r} is no witness; write it as https://nhan-chung.vn and its key")
    NoteKey.parse(key)
    return text


def vhost_of(amqp_url: str) -> str:
    """The virtual host that an AMQP URL names; an empty path is the default one."""
    return unquote(urlsplit(amqp_url).path.removeprefix("/")) or "/"


def default_data_dir() -> Path:
    """Where state is kept when nothing is said."""
    return state_home() / "congvan"


class RouterSettings(ZoneSettings):
    """What the router reads at its start. Durations are in seconds, sizes in bytes."""

    login_urls: ClassVar[tuple[str, ...]] = ("amqp_url", "management_url", "api_url")

    data_dir: Path = Field(default_factory=default_data_dir, description="Where the router keeps its state.")
    ledger_url: str = Field(default="", description="SQLAlchemy URL of the ledger; empty: SQLite in data_dir.")
    ledger_timeout: Seconds = Field(
        default=30.0,
        description="A PostgreSQL that has not answered a commit by then counts as away; a statement is cancelled "
        "alone if others are answered.",
    )
    amqp_url: str = Field(default="", description="AMQP URL with vhost; empty: `up` starts a private broker.")
    amqp_user: str = Field(default="", description="The router's login, when the URL holds none.")
    amqp_password: SecretStr = Field(default=SecretStr(""), description="As amqp_user, its password.")
    management_url: str = Field(
        default="", description="URL of the broker's management API; empty: topology is left to the administrator."
    )
    http_host: str = Field(default="127.0.0.1", description="Address the web API listens on.")
    http_port: Annotated[int, Field(ge=0, le=65535)] = Field(default=8470, description="Port; 0: any free one.")
    http_certificate: Path | None = Field(
        default=None,
        description="The web API's certificate with its chain, as PEM; empty: it is served plainly, as behind a proxy.",
    )
    http_certificate_key: Path | None = Field(
        default=None, description="That certificate's key, as PEM; empty: it stands in the certificate's file."
    )
    pki_dir: Path | None = Field(
        default=None,
        description="The directory that `congvan pki init` made: by it the router renews its own certificate and "
        "certifies accounts; empty: others do.",
    )
    trusted_proxies: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(
        default=("127.0.0.1", "::1"),
        description="Addresses or networks of proxies whose X-Forwarded-For and -Proto are believed (JSON list).",
    )
    allowed_hosts: tuple[str, ...] = Field(
        default=(),
        description="Names that the web API and the console answer to, as congvan.tinh.vn or *.tinh.vn (JSON list); "
        "empty: any.",
    )
    connections_per_address: Count = Field(
        default=256, description="Connections that one address may have at once; proxies are not counted."
    )
    api_url: str = Field(default="http://127.0.0.1:8470", description="Where the commands find the web API.")
    token: SecretStr = Field(default=SecretStr(""), description="The token the commands call the web API with.")
    issuer_token: SecretStr = Field(
        default=SecretStr(""), description="The token `congvan send` sends with; empty: as token."
    )
    allow_plaintext: bool = Field(
        default=False,
        description="Talk to other machines, and listen to them, without TLS; only where the way is protected "
        "otherwise.",
    )
    ca_file: Path | None = Field(
        default=None,
        description="Certificates of authorities to trust besides the system's, as PEM: for broker, management API, "
        "web API, PostgreSQL and the identity provider.",
    )
    client_certificate: Path | None = Field(
        default=None, description="The certificate, with its chain, that is shown to who asks for one, as PEM."
    )
    client_certificate_key: Path | None = Field(
        default=None, description="That certificate's key, as PEM without a passphrase; empty: in the same file."
    )
    max_attachment_bytes: Count = Field(default=500 * 1024**2, description="Largest attachment accepted.")
    uploads_per_account: Count = Field(default=100, description="Unfinished uploads that one account may have.")
    upload_bytes_per_account: Count = Field(
        default=2 * 1024**3, description="Bytes that one account's unfinished uploads may announce together."
    )
    upload_expiry: Seconds = Field(
        default=7 * 24 * 3600.0, description="An unfinished upload for which nothing came in so long is removed."
    )
    content_reserve_bytes: int = Field(
        default=64 * 1024**2, ge=0, description="Free bytes that stay on the content store's disk; below it: 507."
    )
    unnamed_per_account: Count = Field(
        default=10_000, description="Contents that one account may have brought and no dispatch names; above it: 507."
    )
    unnamed_bytes_per_account: Count = Field(default=10 * 1024**3, description="Bytes of these together; above: 507.")
    unnamed_kept: Annotated[float, Field(ge=86_400)] = Field(
        default=7 * 24 * 3600.0, description="A content that no dispatch names is removed so long after it came."
    )
    scrub_bytes_per_second: Annotated[int, Field(ge=0)] = Field(
        default=8 * 1024**2, description="How fast stored contents are hashed again to find what rots; 0: never."
    )
    scrub_every: Seconds = Field(
        default=7 * 24 * 3600.0, description="A new round over all stored contents begins so long after the last began."
    )
    encode_seconds: Annotated[float, Field(ge=0)] = Field(
        default=3.0, description="How long a dispatch may wait for its attachments to be compressed; 0: never."
    )
    oidc_issuer: Annotated[str, AfterValidator(_trusted_url)] = Field(
        default="", description="Issuer URL of the OpenID Connect provider that people may log in by; empty: none."
    )
    oidc_client_id: str = Field(default="", description="The console's client id at that provider.")
    oidc_client_secret: SecretStr = Field(
        default=SecretStr(""), description="The client's secret; empty: a public client, which PKCE alone protects."
    )
    public_url: PageUrl = Field(
        default="",
        description="Where browsers find the console, as https://congvan.tinh.vn, for links in e-mails; empty: none.",
    )
    allow_secrecy: bool = Field(
        default=False, description="Accept classified dispatches; only for deployments that encrypt end to end."
    )
    log_key_file: Path | None = Field(
        default=None, description="The key that signs the ledger's log, as PEM; empty: trust/log.key in data_dir."
    )
    witnesses: tuple[Annotated[str, AfterValidator(_witness)], ...] = Field(
        default=(),
        description="Witnesses that are asked to sign the log, too, each as its URL and its key (JSON list).",
    )
    publish_window: Count = Field(default=1000, description="Publishes on the way to the broker without a confirm.")
    confirm_timeout: Seconds = Field(default=30.0, description="How long a publish may wait for its confirm.")
    relay_batch: Count = Field(default=500, description="Deliveries claimed from the outbox at once.")
    relay_poll: Seconds = Field(
        default=1.0, description="How often the outbox is looked at when nothing wakes the relay."
    )
    relay_lease: Seconds = Field(default=60.0, description="How long a claimed delivery belongs to its relay.")
    group_commit_rows: Count = Field(default=500, description="Most changes in one commit.")
    group_commit_linger: Annotated[float, Field(ge=0)] = Field(
        default=0.005, description="How long a commit waits for more."
    )
    silence_lan: Seconds = Field(default=600.0, description="Silence after which a LAN or WAN unit is sent to again.")
    silence_dialup: Seconds = Field(default=6 * 3600.0, description="The same for a unit on a dial-up line.")
    silence_express_factor: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.25, description="Express deliveries wait this share of the interval."
    )
    silence_max: Seconds = Field(default=24 * 3600.0, description="The interval doubles up to this.")
    receipts_grace: Seconds = Field(
        default=30.0,
        description="How long a receipt may be overtaken by later ones before its gateway is asked for it.",
    )
    outages_kept: Seconds = Field(
        default=400 * 24 * 3600.0, description="How long it is remembered when a line was down: a year and a month."
    )
    receipts_kept: KeptSeconds = Field(
        default=0.0, description="How long the receipts of a dispatch are kept after all of it has ended; 0: for ever."
    )
    attempts_kept: KeptSeconds = Field(default=0.0, description="The same for its failed publishes; 0: for ever.")
    contents_kept: KeptSeconds = Field(
        default=0.0, description="The same for its attachments, unless another dispatch needs them; 0: for ever."
    )
    topology_interval: Seconds = Field(
        default=30.0,
        description="How often the broker is compared with the ledger when nothing tells of a difference; a comparison "
        "takes at most one part in twenty of the time.",
    )
    topology_part: Count = Field(default=200, description="Queues that are made by one request to the management API.")
    broker_file_handles: int = Field(
        default=0,
        ge=0,
        description="File handles of a broker whose management API does not tell them, as `up` knows of its own; "
        "0: not known, so it is not checked how many queues fit.",
    )
    broker_host: str = Field(
        default="",
        description="Address at which other machines reach the private broker of `up`, by TLS alone, as 0.0.0.0; "
        "empty: they do not.",
    )
    broker_port: Annotated[int, Field(gt=0, le=65535)] = Field(default=5671, description="The port of that door.")
    broker_certificate: Path | None = Field(
        default=None, description="The certificate that the private broker shows there, with its chain, as PEM."
    )
    broker_certificate_key: Path | None = Field(default=None, description="That certificate's key, as PEM.")
    broker_client_ca_file: Path | None = Field(
        default=None,
        description="Authorities that have to vouch for who connects there, as PEM; empty: none is asked of them.",
    )
    broker_connections_per_account: Count = Field(
        default=200, description="Connections that one account may have open at the broker; many gateways may share it."
    )
    broker_channels_per_account: Count = Field(
        default=2000, description="Channels that one account may have open at the broker, over all its connections."
    )
    broker_spare_queues: Count = Field(
        default=1000, description="Queues that upstream systems may make together; up to a thousand more fit."
    )
    expire_after: Seconds = Field(
        default=90 * 24 * 3600.0,
        description="A delivery that has not arrived so long after its acceptance or its redrive is expired, visibly.",
    )

    @property
    def database_url(self) -> str:
        """The ledger's SQLAlchemy URL: as set, or a SQLite file in the data directory."""
        if self.ledger_url:
            return with_certificates(self.ledger_url, self.tls_files)
        return f"sqlite:///{self.data_dir / 'ledger.sqlite3'}"

    @property
    def tls_files(self) -> TlsFiles:
        """Whom the router and the commands trust, and what they show of themselves, wherever they connect."""
        return TlsFiles(self.ca_file, self.client_certificate, self.client_certificate_key)

    @model_validator(mode="after")
    def _opens_the_broker_by_tls_alone(self) -> Self:
        if self.broker_host and (self.broker_certificate is None or self.broker_certificate_key is None):
            raise ValueError(
                "CONGVAN_BROKER_HOST opens the private broker to other machines, by TLS alone; set "
                "CONGVAN_BROKER_CERTIFICATE and CONGVAN_BROKER_CERTIFICATE_KEY, too"
            )
        return self

    @model_validator(mode="after")
    def _keeps_the_ledger_private(self) -> Self:
        if not self.allow_plaintext:
            require_protected_ledger("CONGVAN_LEDGER_URL", self.ledger_url, "CONGVAN_ALLOW_PLAINTEXT")
        return self

    @model_validator(mode="after")
    def _listens_privately(self) -> Self:
        if self.http_certificate is None and self.http_certificate_key is not None:
            raise ValueError("a key is of no use without its certificate: set CONGVAN_HTTP_CERTIFICATE, too")
        if self.http_certificate is None and not is_loopback(self.http_host) and not self.allow_plaintext:
            raise ValueError(
                f"{self.http_host} (CONGVAN_HTTP_HOST) is reached from other machines, and tokens would cross the "
                "network in clear; set CONGVAN_HTTP_CERTIFICATE, serve it from behind a proxy on this machine "
                "(CONGVAN_HTTP_HOST=127.0.0.1), or set CONGVAN_ALLOW_PLAINTEXT=true where the way is protected "
                "otherwise (a VPN, a network of containers)"
            )
        return self

    @model_validator(mode="after")
    def _knows_its_client(self) -> Self:
        if self.oidc_issuer and not self.oidc_client_id:
            raise ValueError(
                "CONGVAN_OIDC_ISSUER needs CONGVAN_OIDC_CLIENT_ID: the console's client id at the provider"
            )
        return self
