"""The parts of a gateway, made and connected to each other; nothing runs yet."""

from collections.abc import Collection
from dataclasses import dataclass

from consumers.asking.inquirer import Inquirer
from consumers.certifying.assembly import CertificateKeeper, assemble_certificate, certificate_ends
from consumers.copies.assembly import assemble_copies
from consumers.delivering.courier import Courier
from consumers.delivering.errand import Errands
from consumers.fetching.content import DIRECTORY_NAME, ContentDir
from consumers.fetching.dictionaries import DIRECTORY_NAME as DICTIONARIES
from consumers.fetching.dictionaries import Dictionaries
from consumers.fetching.fetch import Fetcher, FetchPolicy, Transfer
from consumers.fetching.origin import Clients
from consumers.fetching.traffic import Traffic
from consumers.line.names import Names
from consumers.line.openings import Openings
from consumers.line.outages import Outages
from consumers.line.pace import LinePace
from consumers.line.precedence import Precedence, Side
from consumers.line.signs import Prober, Signs
from consumers.line.state import Line
from consumers.parts import Parts, standing_of
from consumers.reading import answering
from consumers.reporting.health import health_of
from consumers.reporting.presence import Presence
from consumers.reporting.progress import Progress
from consumers.reporting.recounting import Recounting
from consumers.reporting.reporter import Reporter
from consumers.sending.assembly import Upward, assemble_upward
from consumers.settings import GatewaySettings
from consumers.sinks import GuardedSink, make_guarded_sink
from consumers.spool import Spool, Writer
from consumers.spool.taking import TakenBatch
from consumers.status import last_rate
from consumers.taking.hosting import Hosting
from consumers.taking.intake import Intake
from consumers.taking.naming import Naming
from consumers.taking.queues import Taking
from consumers.taking.room import Room
from consumers.trust.log_watch import LogWatch
from router.broker import Publisher, Session, Tuning
from router.tls.contexts import ClientContext
from schemas.clock import now_ms
from schemas.dispatch import Lane
from schemas.health import Health

CONNECT_WITHIN = 8.0
"""Seconds for the TCP connection to the broker. It is asked for at ever longer intervals; a new one asks at once."""


@dataclass(frozen=True, slots=True)
class _Way:
    """The line, and what goes over it."""

    settings: GatewaySettings
    spool: Spool
    writer: Writer
    session: Session
    publisher: Publisher
    pace: LinePace
    line: Line
    outages: Outages
    openings: Openings
    clients: Clients
    hosting: Hosting
    naming: Naming
    log_watch: LogWatch
    room: Room
    reporters: dict[Lane, Reporter]

    @property
    def keeps_all(self) -> bool:
        """Whether documents end in the gateway, as no sink takes them over."""
        return self.settings.sink == "none"

    @property
    def keeps_files(self) -> bool:
        """Whether contents stay in the gateway when a document has come."""
        return self.keeps_all or self.settings.keep_files


@dataclass(frozen=True, slots=True)
class _Files:
    """Where contents are kept."""

    directory: ContentDir
    dictionaries: Dictionaries


def assemble(settings: GatewaySettings, spool: Spool, writer: Writer) -> Parts:
    """Make the parts that the settings ask for, in the running loop.

    Raises:
        SinkSettingsError: a setting that the sink needs is missing or wrong.
        OSError: the outbox cannot be made.
    """
    sink = make_guarded_sink(settings)
    way = _way(settings, spool, writer)
    files = _files(settings)
    precedence = Precedence()
    courier = _courier(way, files, sink, precedence.side())
    recounting = Recounting(spool, way.session, way.publisher)
    intake = _intake(way, files, courier, recounting)
    prefetch = settings.prefetch
    taking = Taking(way.session, intake.handle, prefetch=prefetch, room=way.room, hosting=way.hosting)
    way.hosting.on_elsewhere.append(courier.wake)
    up = precedence.side()
    upward = assemble_upward(
        settings,
        spool,
        writer,
        way.clients,
        line=way.line,
        side=up,
        openings=way.openings,
        accept=answering.accept,
    )
    certificate = assemble_certificate(
        settings, way.clients, line=way.line, pace=upward.pace, side=precedence.side(), openings=way.openings
    )
    return Parts(
        spool=spool,
        writer=writer,
        session=way.session,
        clients=way.clients,
        hosting=way.hosting,
        line=way.line,
        directory=files.directory,
        dictionaries=files.dictionaries,
        sink=sink,
        taking=taking,
        room=way.room,
        courier=courier,
        reporters=way.reporters,
        presence=_presence(way, intake, courier, sink, certificate),
        recounting=recounting,
        outages=way.outages,
        openings=way.openings,
        upward=upward,
        copies=assemble_copies(
            settings,
            spool,
            way.clients,
            line=way.line,
            pace=upward.pace,
            side=precedence.side(),
            openings=way.openings,
            units=lambda: way.hosting.codes,
            rests=lambda: way.hosting.elsewhere.issuperset(way.hosting.codes),
        ),
        inquirer=_inquirer(way, upward, precedence.side()),
        certificate=certificate,
        naming=way.naming,
        log_watch=way.log_watch,
    )


def _way(settings: GatewaySettings, spool: Spool, writer: Writer) -> _Way:
    token = settings.token.get_secret_value()
    pace = LinePace(last_rate(settings.data_dir), fixed_window=settings.receive_window)
    names = Names()
    session = _session(settings, token, names)
    outages = Outages(spool, writer, alive_at=lambda: max(session.heard_at, line.alive_at))
    line = Line(
        pace,
        patience=settings.no_progress_timeout,
        signs=Signs(
            probe=Prober(settings.origin_url, names),
            ask_broker=session.ask_for_a_sign,
            broker_quiet=lambda: session.quiet,
            trouble=lambda: names.trouble,
        ),
        renew=session.renew,
        on_state=outages.line_is,
    )
    session.on_state(line.broker_is)
    tls = ClientContext(settings.tls_files, to="router")
    clients = Clients(token=token, no_progress=settings.no_progress_timeout, names=names, tls=tls)
    openings = Openings()
    hosting = Hosting(
        spool,
        writer,
        clients.get(pace.window),
        origin_url=settings.origin_url,
        pattern=settings.units,
        openings=openings,
    )
    publisher = session.publisher()
    reporters = {
        lane: Reporter(spool, writer, session, publisher, lane=lane, linger=linger, on_sent=pace.sent)
        for lane, linger in ((Lane.EXPRESS, 0.0), (Lane.NORMAL, settings.burst_linger))
    }
    return _Way(
        settings,
        spool,
        writer,
        session,
        publisher,
        pace,
        line,
        outages,
        openings,
        clients,
        hosting,
        Naming(spool, writer, clients.get(pace.window), session, origin_url=settings.origin_url),
        LogWatch(spool, writer, clients.get(pace.window), session, origin_url=settings.origin_url),
        Room(settings.data_dir, reserve_bytes=settings.disk_reserve_bytes),
        reporters,
    )


def _session(settings: GatewaySettings, token: str, names: Names) -> Session:
    return Session(
        settings.amqp_url,
        user=settings.login,
        password=token,
        name=settings.login,
        tuning=Tuning(socket_timeout=CONNECT_WITHIN),
        resolve=names.addresses,
        tls=ClientContext(settings.tls_files, to="broker"),
    )


def _files(settings: GatewaySettings) -> _Files:
    return _Files(
        ContentDir(settings.data_dir / DIRECTORY_NAME, reserve_bytes=settings.disk_reserve_bytes),
        Dictionaries(settings.data_dir / DICTIONARIES, most_bytes=settings.dictionary_bytes),
    )


def _health(way: _Way, sink: GuardedSink, own: CertificateKeeper) -> Health:
    now = now_ms()
    return health_of(
        sink.circuits.troubles(now=now),
        way.room,
        way.line,
        now_ms=now,
        ends=certificate_ends(own, way.session, way.line),
        alarm=way.log_watch.alarm,
        tls=standing_of(way.session, way.clients),
    )


def _courier(way: _Way, files: _Files, sink: GuardedSink, side: Side) -> Courier:
    def on_progress(transfer: Transfer, count: int) -> None:
        traffic.progressed(transfer, count)

    def on_wait(transfer: Transfer) -> None:
        courier.waits(transfer)

    fetcher = Fetcher(
        way.clients,
        f"{way.settings.origin_url.rstrip('/')}/content",
        files.directory,
        files.dictionaries,
        way.line,
        policy=FetchPolicy(),
        on_progress=on_progress,
        on_wait=on_wait,
    )
    traffic = Traffic(
        fetcher.fetch,
        slots=lambda: way.settings.parallel_fetches if way.pace.fast else 1,
        holds=files.dictionaries.holds,
        side=side,
        lets=way.openings.lets,
    )
    errands = Errands(
        way.writer,
        files.directory,
        files.dictionaries,
        traffic,
        sink,
        hands_over=not way.keeps_all,
        keeps_files=way.keeps_files,
        hand_overs=way.settings.parallel_hand_overs,
        max_bytes=way.settings.max_document_bytes,
        on_said=lambda lane: way.reporters[lane].wake(),
    )
    courier = Courier(
        way.spool, traffic, errands, closed=lambda: way.openings.closed, resting=lambda: way.hosting.elsewhere
    )
    way.openings.on_change += [courier.wake, traffic.reorder]
    return courier


def _inquirer(way: _Way, upward: Upward, side: Side) -> Inquirer:
    return Inquirer(
        way.spool,
        way.writer,
        way.clients,
        origin_url=way.settings.origin_url,
        line=way.line,
        pace=upward.pace,
        side=side,
        lets=way.openings.lets,
    )


def _intake(way: _Way, files: _Files, courier: Courier, recounting: Recounting) -> Intake:
    def on_taken(lanes: Collection[Lane], taken: TakenBatch) -> None:
        for lane in lanes:
            way.reporters[lane].wake(taken.new + taken.known)
        way.naming.wake()
        if taken.waiting:
            courier.wake()
        if taken.recalled.positions:
            courier.drop(taken.recalled)

    def on_repeated(count: int) -> None:
        for reporter in way.reporters.values():
            reporter.wake(count)

    return Intake(
        way.spool,
        way.writer,
        hosts=way.hosting.hosts,
        keeps_all=way.keeps_all,
        gap_after=way.settings.gap_after,
        room=way.room,
        on_taken=on_taken,
        on_repeated=on_repeated,
        on_recount=recounting.note,
        forget_recalled=files.dictionaries.forget_recalled,
    )


def _presence(way: _Way, intake: Intake, courier: Courier, sink: GuardedSink, own: CertificateKeeper) -> Presence:
    presence = Presence(
        way.spool,
        way.writer,
        way.session,
        way.publisher,
        head=way.hosting.head,
        units=lambda: way.hosting.codes,
        progress=intake.progress,
        gap_after=way.settings.gap_after,
        outages=way.outages,
        pace=way.pace,
        moved=Progress(courier.held),
        interval=way.settings.presence_interval,
        health=lambda: _health(way, sink, own),
    )
    for reporter in way.reporters.values():
        reporter.take_along(presence)
    way.hosting.on_elsewhere.append(presence.greet)  # in full: the router learns for which units it works now
    return presence
