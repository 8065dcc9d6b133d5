"""Checks of what the router stands on: broker, topology, ledger, web API, token, gateways, identity provider, clock."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

import aiohttp
from sqlalchemy import Connection, make_url
from sqlalchemy.engine import Engine

from deploy.doctor.findings import CheckAnswer, failed, note, ok
from deploy.doctor.trusting import trusting
from deploy.exits import ExitCode
from router.broker import Session
from router.broker.node import SERVER
from router.broker.topology import capacity_of, diff, read
from router.broker.topology.capacity import handles_for
from router.content import ContentStore
from router.delivery.broker_plan import planned
from router.delivery.managed_broker import management_of
from router.identity.configured import provider_of
from router.ledger.engine import open_engine, reading, require_current
from router.ledger.people.accounts import authenticate
from router.ledger.queries.contents import contents_on_the_way
from router.ledger.recovery import forgotten
from router.ledger.units import gateways as ledger_gateways
from router.ledger.units.unit_list import list_units
from router.ledger.way import counting
from router.ledger.way.counting import CountedBy
from router.settings import RouterSettings, vhost_of
from router.tls.contexts import ClientContext
from schemas.clock import iso, now_ms
from schemas.office import office_terms

T = TypeVar("T")
_BROKER_WITHIN = 15.0
_HTTP_TIMEOUT = aiohttp.ClientTimeout(total=10)
_CLOCK_TOLERANCE = 5.0
_LOOKED_FOR = 5000
"""Contents on their way that are looked for, not hashed: the router's own rounds do that."""
_NAMED = 5


async def broker(settings: RouterSettings) -> CheckAnswer:
    """Whether the router's login gets a channel."""
    if not settings.amqp_url:
        if SERVER.exists():
            return note("CONGVAN_AMQP_URL is not set", "`congvan up` starts a private RabbitMQ")
        return failed("CONGVAN_AMQP_URL is not set and RabbitMQ is not installed", "apt-get install rabbitmq-server")
    password = settings.amqp_password.get_secret_value()
    tls = ClientContext(settings.tls_files, to="broker")
    session = Session(settings.amqp_url, user=settings.amqp_user, password=password, name="congvan-doctor", tls=tls)
    await session.start()
    try:
        await session.ready(_BROKER_WITHIN)
    finally:
        await session.close()
    return ok(f"logged in as {session.user}, vhost {vhost_of(settings.amqp_url)}")


async def management(settings: RouterSettings) -> CheckAnswer:
    """Whether the management API answers, and the broker's version."""
    if not settings.management_url:
        return note("CONGVAN_MANAGEMENT_URL is not set", "apply the topology by hand: `congvan topology export`")
    async with management_of(settings) as api:
        overview = await api.get("overview")
    return ok(f"RabbitMQ {overview['rabbitmq_version']}, node {overview['node']}")


async def topology(settings: RouterSettings) -> CheckAnswer:
    """Whether exchanges, queues and users are what the ledger's units and accounts want."""
    if not settings.management_url:
        return note("not compared: CONGVAN_MANAGEMENT_URL is not set")
    wanted = await _ask(settings, lambda conn: planned(conn, settings, now=now_ms()))
    async with management_of(settings) as api:
        changes = diff(await read(api, wanted.vhost), wanted)
    if not changes:
        return ok("in line with the ledger")
    counts = f"{len(changes.create.items())} to make, {len(changes.remove.items())} to remove"
    return failed(f"{counts}, {len(changes.conflicts)} conflicts", "`congvan topology plan` shows them")


async def broker_capacity(settings: RouterSettings) -> CheckAnswer:
    """Whether the broker has file handles for all planned queues, three for each: without, it takes no connection."""
    if not settings.management_url:
        return note("not known: CONGVAN_MANAGEMENT_URL is not set")
    wanted = await _ask(settings, lambda conn: planned(conn, settings, now=now_ms()))
    async with management_of(settings) as api:
        capacity = await capacity_of(api, settings.broker_file_handles)
    if capacity is None:
        return note("the broker does not tell its file handles", "set CONGVAN_BROKER_FILE_HANDLES to its limit")
    text = f"{len(wanted.queues)} queues planned; {capacity}"
    needed = handles_for(max(len(wanted.queues), capacity.queues), capacity.nodes)
    advice = f"give the broker {needed} file handles (LimitNOFILE= of its service, or `ulimit -n`) and start it again"
    if needed > capacity.handles:
        return failed(text, advice)
    return note(text, "give it more before units are added") if 2 * needed > capacity.handles else ok(text)


async def ledger(settings: RouterSettings) -> CheckAnswer:
    """Whether the database answers, at the revision this program needs."""
    url = make_url(settings.database_url)
    if not _is_begun(settings):
        return note(f"{url.database} is not there yet", "the router makes it at its first start")
    units = await _ask(settings, lambda conn: len(list_units(conn)))
    return ok(f"{url.render_as_string(hide_password=True)}, {units} units")


async def deadlines(settings: RouterSettings) -> CheckAnswer:
    """Whether what is owed is counted by the office hours and days that are set here."""
    if not _is_begun(settings):
        return note("not known yet: there is no ledger")
    stands = await _ask(settings, lambda conn: counting.counted_by(conn, office_terms()))
    if stands is CountedBy.OTHER:
        advice = (
            "give all routers the same CONGVAN_OFFICE_* (and its file), CONGVAN_TIMEZONE and version; start them again"
        )
        return failed("what is owed is counted by other terms than those that are set here", advice)
    if stands is CountedBy.COMING:
        return note(
            "what is owed is being counted by the terms that are set here", "the router does it after its start"
        )
    return ok("counted by the office hours and days that are set here")


async def contents(settings: RouterSettings) -> CheckAnswer:
    """Whether the attachments that are on their way lie in the store, and none is known to be damaged."""
    root = settings.data_dir / "content"
    if not root.exists():
        return note(f"{root} is not there yet", "the router makes it at its first start")
    store = ContentStore(root, reserve_bytes=settings.content_reserve_bytes)
    wanted = await _ask(settings, lambda conn: contents_on_the_way(conn, limit=_LOOKED_FOR))
    damaged = {item.sha256 for item in store.damaged()}
    missing = {sha256 for sha256 in wanted if store.size(sha256) is None} - damaged
    if not damaged and not missing:
        return ok(f"the {len(wanted)} contents that are on their way are there; none is known to be damaged")
    first = min(damaged | missing)
    return failed(
        f"{len(damaged)} contents are damaged, {len(missing)} are missing, such as {first}",
        "`congvan content verify` tells whose they are; any upload of the same bytes mends one",
    )


async def web_api(settings: RouterSettings) -> CheckAnswer:
    """Whether a router is ready at the API's address."""
    async with (
        aiohttp.ClientSession(timeout=_HTTP_TIMEOUT, connector=trusting(settings.tls_files)) as http,
        http.get(f"{settings.api_url}/readyz") as answer,
    ):
        if answer.ok:
            return ok(f"ready at {settings.api_url}")
        return failed(f"{settings.api_url} is not ready: {await answer.text()}", code=ExitCode.UNAVAILABLE)


async def token(settings: RouterSettings) -> CheckAnswer:
    """Whose token the commands send with."""
    text = settings.token.get_secret_value()
    if not text:
        return note("CONGVAN_TOKEN is not set", "`congvan token create` makes one; `congvan send` needs it")
    account = await _ask(settings, lambda conn: authenticate(conn, text, now_ms=now_ms()))
    if account is None:
        return failed("CONGVAN_TOKEN is unknown, expired or revoked", "`congvan token create` makes another")
    return ok(f"the token of {account.name}")


async def gateways(settings: RouterSettings) -> CheckAnswer:
    """Whether two gateways work for one unit, and which units theirs cannot hand documents over to."""
    if not _is_begun(settings):
        return note("not known yet: there is no ledger")
    second, troubled = await _ask(
        settings, lambda conn: (ledger_gateways.second_spools(conn, now_ms=now_ms()), ledger_gateways.troubled(conn))
    )
    if second:
        names = ", ".join(f"{row.account} ({row.id})" for row in second[:_NAMED])
        return failed(
            f"{len(second)} gateways stand by because another works for their units: {names}",
            "stop one of the two, or `congvan units take-over`",
        )
    if troubled:
        return failed(
            f"{len(troubled)} units' gateways cannot hand documents over: {', '.join(troubled[:_NAMED])}",
            "`congvan units show` says why",
        )
    return ok("one for each unit, and they hand over")


async def memory(settings: RouterSettings) -> CheckAnswer:
    """Whether gateways speak of deliveries that the ledger does not have, as after an older copy was restored."""
    if not _is_begun(settings):
        return note("not known yet: there is no ledger")
    told = await _ask(settings, forgotten.summary)
    if not told.deliveries:
        return (
            note("a recovery is open", "`congvan ledger recover`") if told.recovering else ok("as new as its gateways")
        )
    text = (
        f"the ledger is older than what gateways tell: {told.deliveries} deliveries of {told.units} units, the oldest "
        f"of {iso(told.first or 0)}, are not in it; what was said of them lies in the queue dead"
    )
    if told.recovering:
        return note(f"{text}; they are being asked for it", "`congvan ledger recover` tells how far that is")
    return failed(text, "`congvan ledger recover` has the gateways tell what was forgotten")


async def identity_provider(settings: RouterSettings) -> CheckAnswer:
    """Whether people can log in to the console with their organisation's account."""
    provider = provider_of(settings)
    if provider is None:
        return ok("none: people log in with the console's own passwords")
    await provider.require_answer()
    return ok(f"{settings.oidc_issuer} answers with its keys")


async def clock(settings: RouterSettings) -> CheckAnswer:
    """How far this machine's clock is from the router's, or else the broker's."""
    for url in filter(None, (settings.api_url, settings.management_url)):
        try:
            async with (
                aiohttp.ClientSession(timeout=_HTTP_TIMEOUT, connector=trusting(settings.tls_files)) as http,
                http.head(url) as answer,
            ):
                there = parsedate_to_datetime(answer.headers["date"])
        except (aiohttp.ClientError, TimeoutError, KeyError, ValueError):
            continue  # what does not answer is another check's finding
        apart = abs((datetime.now(UTC) - there).total_seconds())
        text = f"{apart:.0f} s apart from {url}"
        return ok(text) if apart <= _CLOCK_TOLERANCE else failed(text, "set both by NTP")
    return note("nothing answers to compare the clock with")


def _is_begun(settings: RouterSettings) -> bool:
    """Whether there is a ledger to be asked: one in a file may not have been made yet."""
    url = make_url(settings.database_url)
    return url.drivername != "sqlite" or settings.data_dir.joinpath(url.database or "").exists()


async def _ask(settings: RouterSettings, question: Callable[[Connection], T]) -> T:
    """Ask the ledger, at its right revision, in a thread."""

    def work(engine: Engine) -> T:
        require_current(engine)
        with reading(engine) as conn:
            return question(conn)

    engine = open_engine(settings.database_url)
    try:
        return await asyncio.to_thread(work, engine)
    finally:
        engine.dispose()
