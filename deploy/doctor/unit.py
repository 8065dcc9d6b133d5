"""Checks of a unit's gateway: its settings and disk, its spool and process, its unit's own system, its line."""

import asyncio
import os
import shutil
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

import aiohttp
import orjson
from sqlalchemy import text

from consumers.copies.directory import is_on_the_same_disk
from consumers.copies.standing import Place, standing_of
from consumers.reading.coming import STALE_SECONDS
from consumers.sending.assembly import outbox_of
from consumers.settings import GatewaySettings
from consumers.sinks import make_sink
from consumers.spool.store import FILE_NAME, open_to_read
from consumers.status import backlog, status_path
from consumers.taking.hosting import units_url
from deploy.doctor.desk import people
from deploy.doctor.findings import Check, CheckAnswer, Finding, failed, nearest_existing, note, ok, room, run
from deploy.doctor.mail import mail_server
from deploy.doctor.trusting import trusting
from deploy.doctor.unit_certificate import own_certificate
from deploy.exits import ExitCode
from router.broker import Session
from router.tls.attempt import ends_at
from router.tls.contexts import ClientContext
from router.tls.files import TlsFiles
from schemas.clock import iso
from schemas.zone import zone

_ANSWERS_WITHIN = 60.0
"""Seconds: bringing up AMQP takes up to 27 s on a thin line that is in use (measured at 33.6 kbit/s)."""
_SLOW_LOOKUP = 5.0
_PORTS = {"amqp": 5672, "amqps": 5671, "http": 80, "https": 443}
_CERTIFICATE_SOON = timedelta(days=30)
_CLOCK_TOLERANCE = 60.0
_SECRETS = "run it with the gateway's settings, as its service has them"


async def settings_given(settings: GatewaySettings) -> CheckAnswer:
    """Whether everything is set that a gateway cannot do without."""
    missing = [name for name in ("units", "amqp_url") if not getattr(settings, name)]
    missing += [] if settings.token.get_secret_value() else ["token"]
    variables = {name: variable for variable, name in settings.variables().items()}
    if missing:
        return failed(f"not set: {', '.join(variables[name] for name in missing)}", _SECRETS, ExitCode.USAGE)
    return ok(f"for {settings.units}, sink {settings.sink}")


async def disk(settings: GatewaySettings) -> CheckAnswer:
    """Free space where spool and contents lie."""
    return room(settings.data_dir, settings.disk_reserve_bytes, "nothing is fetched until there is more")


async def spool(settings: GatewaySettings) -> CheckAnswer:
    """Whether the spool is whole, and what waits in it."""
    if not (settings.data_dir / FILE_NAME).exists():
        return note(f"there is none in {settings.data_dir} yet", "the gateway makes it at its first start")
    return await asyncio.to_thread(_look_at_spool, settings)


def _look_at_spool(settings: GatewaySettings) -> CheckAnswer:
    opened = open_to_read(settings.data_dir)
    try:
        with opened.reading() as conn:
            found = conn.execute(text("PRAGMA quick_check(1)")).scalar_one()
        if found != "ok":
            return failed(f"{opened.path} is damaged: {found}", "move it away; what has not arrived is sent again")
        left = backlog(opened)
    finally:
        opened.close()
    told = (
        f"{left.waiting} documents on their way, {left.receipts_unsent} receipts and {left.outgoing} documents to send"
    )
    if left.parked:
        return note(f"{told}, {left.parked} parked", "`congvan gateway inbox --state parked` says why")
    return ok(told)


async def process(settings: GatewaySettings) -> CheckAnswer:
    """Whether the gateway runs."""
    path = status_path(settings.data_dir)
    if not path.exists():
        return note("no gateway has run here yet")
    told = orjson.loads(path.read_bytes())
    age = (datetime.now(UTC) - datetime.fromisoformat(told["at"])).total_seconds()
    if age > STALE_SECONDS:
        return failed(f"it does not run: it last wrote its status at {told['at']}", "start it", ExitCode.UNAVAILABLE)
    if troubles := told.get("tls"):
        return failed(
            "; ".join(f"{item['to']}: {item['reason']} ({item['code']})" for item in troubles),
            "; ".join(dict.fromkeys(item["advice"] for item in troubles)),
            ExitCode.UNAVAILABLE,
        )
    return ok(f"process {told['pid']}, version {told['version']}, line {told['line']}, broker {told['broker']}")


async def sink(settings: GatewaySettings) -> CheckAnswer:
    """Whether documents can be handed to the unit's own system."""
    make_sink(settings)
    if settings.sink == "folder":
        return _writable(settings.inbox_dir or settings.data_dir / "inbox")
    if settings.sink == "webhook":
        return await _connects(urlsplit(settings.webhook_url), settings.webhook_tls_files)
    if settings.sink == "command":
        program = shutil.which(settings.command[0])
        missing = failed(f"{settings.command[0]} is no program that can be started", "install it, or name it whole")
        return ok(f"{program} can be started") if program else missing
    return ok("documents stay at the gateway")


async def outbox(settings: GatewaySettings) -> CheckAnswer:
    """Whether what the unit sends can be taken."""
    return _writable(outbox_of(settings))


def _writable(path: Path) -> CheckAnswer:
    place = nearest_existing(path)
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        return failed(f"{place} cannot be written by this user", "run it as the gateway's user, or change the rights")
    return ok(f"{path} can be written" if place == path else f"{path} can be made")


async def copies(settings: GatewaySettings) -> CheckAnswer:
    """Whether the books would outlive this machine."""
    told, advice = [], ""
    stick, there = (standing_of(settings.data_dir, place) for place in (Place.DIRECTORY, Place.ROUTER))
    for where, one in (("second place", stick), ("router", there)):
        if one.failing_since:
            return failed(f"{where}: no copy since {iso(one.failing_since)}: {one.reason}", "mend that")
        if one.made_at:
            told.append(f"{where}: {iso(one.made_at)}")
    if settings.backup_dir is not None and is_on_the_same_disk(settings.backup_dir, settings.data_dir):
        advice = f"{settings.backup_dir} is on the same disk: copies there are lost with it"
    if not told and settings.sink != "none":
        return ok("its sink takes the documents; no desk keeps books here")
    if not told:
        return note("no copy of the books is made", "CONGVAN_GATEWAY_BACKUP_DIR, `congvan desk recovery-key`")
    return note("; ".join(told), advice) if advice else ok("; ".join(told))


async def names(settings: GatewaySettings) -> CheckAnswer:
    """Whether broker and router are found by their names, and how long that takes."""
    told = []
    for host in dict.fromkeys(_host(url) for url in _urls(settings)):
        began = time.monotonic()
        try:
            await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError as error:
            return failed(f"{host} is not found: {error}", "is the name server reached?", ExitCode.UNAVAILABLE)
        took = time.monotonic() - began
        told.append(f"{host} in {took:.1f} s")
        if took > _SLOW_LOOKUP:
            return note(", ".join(told), "every connection waits for it; name a nearer server, or use /etc/hosts")
    return ok(", ".join(told) or "no URL is set")


async def broker(settings: GatewaySettings) -> CheckAnswer:
    """Whether the gateway's login gets a channel."""
    if not settings.amqp_url or not settings.token.get_secret_value():
        return note("not tried: a setting is missing")
    password = settings.token.get_secret_value()
    tls = ClientContext(settings.tls_files, to="broker")
    session = Session(settings.amqp_url, user=settings.login, password=password, name="congvan-gateway-doctor", tls=tls)
    await session.start()
    try:
        await session.ready(_ANSWERS_WITHIN)
    finally:
        await session.close()
    return ok(f"logged in as {session.user}")


async def web_api(settings: GatewaySettings) -> CheckAnswer:
    """Whether the router answers, and knows this gateway and its units."""
    if not settings.token.get_secret_value():
        return note("not tried: a setting is missing")
    headers = {"Authorization": f"Bearer {settings.token.get_secret_value()}"}
    timeout = aiohttp.ClientTimeout(total=_ANSWERS_WITHIN)
    async with (
        aiohttp.ClientSession(timeout=timeout, headers=headers, connector=trusting(settings.tls_files)) as http,
        http.get(units_url(settings.origin_url), params={"within": settings.units}, allow_redirects=False) as answer,
    ):
        if answer.status == HTTPStatus.UNAUTHORIZED:
            return failed("the router does not know the token", "an operator makes one: `congvan token create`")
        if answer.status != HTTPStatus.OK or answer.content_type != "application/json":
            told = f"{answer.status} {answer.reason}, {answer.content_type}"
            return failed(f"{settings.origin_url} answers {told}: is that the router?", code=ExitCode.UNAVAILABLE)
        units = len(await answer.json())
        seconds = abs((datetime.now(UTC) - parsedate_to_datetime(answer.headers["date"])).total_seconds())
    if not units:
        return failed(f"the router knows no unit within {settings.units}", "is it written as in `congvan units tree`?")
    if seconds > _CLOCK_TOLERANCE:
        return failed(f"this clock is {seconds:.0f} s apart from the router's", "set it by NTP")
    return ok(f"{units} units; the clocks are {seconds:.0f} s apart")


async def certificates(settings: GatewaySettings) -> CheckAnswer:
    """Whether the way is encrypted, and until when the certificates are good."""
    parts = [urlsplit(url) for url in _urls(settings)]
    tls = ClientContext(settings.tls_files, resumes=False)
    told = [await _certificate(part, tls) for part in parts if part.scheme in {"amqps", "https"}]
    plain = [f"{part.scheme}://{part.hostname}" for part in parts if part.scheme not in {"amqps", "https"}]
    if plain:
        return note(
            f"not encrypted: {', '.join(plain)}", "right on this machine, or where the way is protected otherwise"
        )
    soonest = min(told)
    text = f"good until {soonest.astimezone(zone()):%Y-%m-%d}"
    return ok(text) if soonest - datetime.now(UTC) > _CERTIFICATE_SOON else failed(text, "renew it")


async def _certificate(url: SplitResult, tls: ClientContext) -> datetime:
    async with asyncio.timeout(_ANSWERS_WITHIN):
        _, writer = await asyncio.open_connection(url.hostname, _port(url), ssl=tls)
    try:
        peer = writer.get_extra_info("peercert")
        return datetime.fromtimestamp(ends_at(peer) / 1000, UTC)
    finally:
        writer.close()


async def _connects(url: SplitResult, files: TlsFiles) -> CheckAnswer:
    tls = ClientContext(files, resumes=False) if url.scheme == "https" else None
    async with asyncio.timeout(_ANSWERS_WITHIN):
        _, writer = await asyncio.open_connection(url.hostname, _port(url), ssl=tls)
    writer.close()
    return ok(f"{url.hostname}:{_port(url)} takes connections; nothing was handed over")


def _urls(settings: GatewaySettings) -> list[str]:
    return [url for url in (settings.amqp_url, settings.origin_url) if url]


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _port(url: SplitResult) -> int:
    return url.port or _PORTS[url.scheme]


CHECKS: dict[str, Check[GatewaySettings]] = {
    "settings": settings_given,
    "disk": disk,
    "spool": spool,
    "gateway": process,
    "sink": sink,
    "outbox": outbox,
    "copies": copies,
    "people": people,
    "names": names,
    "certificates": certificates,
    "own certificate": own_certificate,
    "broker": broker,
    "web API": web_api,
    "mail server": mail_server,
}


async def examine(settings: GatewaySettings) -> list[Finding]:
    """Every check's finding, in the order of the table."""
    return list(await asyncio.gather(*(run(name, check, settings) for name, check in CHECKS.items())))
