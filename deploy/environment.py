"""What each program of the all-in-one is told: environments of the children, the settings file of the commands."""

import json
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from router.broker.node import NodeAddress
from router.settings import RouterSettings

_FOR_DESKS = ("CONGVAN_TIMEZONE", "CONGVAN_LOG_LEVEL", "CONGVAN_LOG_FORMAT")
_FOR_GATEWAYS = ("CONGVAN_GATEWAY_", "CONGVAN_LOG_", "CONGVAN_CONFIG")


def for_router(environ: Mapping[str, str], settings: RouterSettings, broker: NodeAddress, port: int) -> dict[str, str]:
    """The router's: the caller's, with the broker and the port that were settled at the start."""
    handles = {"CONGVAN_BROKER_FILE_HANDLES": str(broker.file_handles)} if broker.file_handles else {}
    return (
        dict(environ)
        | handles
        | {
            "CONGVAN_DATA_DIR": str(settings.data_dir.absolute()),
            "CONGVAN_LEDGER_URL": settings.ledger_url,
            "CONGVAN_AMQP_URL": broker.amqp_url,
            "CONGVAN_AMQP_USER": broker.user,
            "CONGVAN_AMQP_PASSWORD": broker.password,
            "CONGVAN_MANAGEMENT_URL": broker.management_url,
            "CONGVAN_HTTP_HOST": settings.http_host,
            "CONGVAN_HTTP_PORT": str(port),
        }
    )


def for_gateway(
    environ: Mapping[str, str], *, units: str, token: str, amqp_url: str, origin_url: str, data_dir: Path, inbox: Path
) -> dict[str, str]:
    """A gateway's: of our variables only those meant for gateways, so it never sees the router's login."""
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("CONGVAN_") or name.startswith(_FOR_GATEWAYS)
    }
    trusted = {"CONGVAN_GATEWAY_CA_FILE": environ["CONGVAN_CA_FILE"]} if environ.get("CONGVAN_CA_FILE") else {}
    return (
        {"CONGVAN_GATEWAY_INBOX_DIR": str(inbox)}
        | trusted
        | kept
        | {
            "CONGVAN_GATEWAY_UNITS": units,
            "CONGVAN_GATEWAY_TOKEN": token,
            "CONGVAN_GATEWAY_ACCOUNT": f"gateway:{units}",
            "CONGVAN_GATEWAY_AMQP_URL": without_login(amqp_url),
            "CONGVAN_GATEWAY_ORIGIN_URL": origin_url,
            "CONGVAN_GATEWAY_DATA_DIR": str(data_dir),
        }
    )


def for_desk(environ: Mapping[str, str], data_dir: Path, port: int) -> dict[str, str]:
    """A desk's, beside a gateway, without that one's token."""
    kept = {name: value for name, value in environ.items() if not name.startswith("CONGVAN_") or name in _FOR_DESKS}
    return kept | {"CONGVAN_GATEWAY_DATA_DIR": str(data_dir), "CONGVAN_DESK_PORT": str(port)}


def ways_of(settings: RouterSettings) -> dict[str, str | int]:
    """Whom the commands trust and what they show, for the settings file: else they would refuse the ledger."""
    files = {name: getattr(settings, name) for name in ("ca_file", "client_certificate", "client_certificate_key")}
    named = {name: str(path.absolute()) for name, path in files.items() if path is not None}
    return {"allow_plaintext": settings.allow_plaintext, **named}


def without_login(url: str) -> str:
    """A URL without user and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def toml_of(values: Mapping[str, str | int]) -> str:
    """TOML of texts and numbers, written as in JSON, which TOML reads as well; the empty ones and 0 are left out."""
    return "".join(f"{key} = {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items() if value)
