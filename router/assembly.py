"""Puts the router's parts together: who gets which, in one place."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial

import structlog
from fastapi import FastAPI
from sqlalchemy import Engine, text

from router.broker import Consumer, Handler, Session, SessionState
from router.broker.dead import DEAD
from router.broker.topology import Topology
from router.chosen import (
    checkpointer_of,
    collector_of,
    kept_of,
    possession_of,
    scrub_of,
    silence_of,
    upload_limits_of,
)
from router.content import ContentStore
from router.content.doubts import Doubts
from router.content.encoding import Encoder
from router.content.encoding.restoring import restore
from router.content.scrub import SLICE_SECONDS
from router.content.uploads import UploadStore
from router.delivery.alignment import Alignment
from router.delivery.broker_plan import planned
from router.delivery.care import CareWatch
from router.delivery.certificate_watch import CertificateWatch
from router.delivery.deadlines import Deadlines
from router.delivery.expiry import Expiry
from router.delivery.hearing import Hearing
from router.delivery.line_watch import LineWatch
from router.delivery.managed_broker import ManagedBroker
from router.delivery.missing_receipts import Asker
from router.delivery.organisation import Organisation
from router.delivery.periodic import periodically
from router.delivery.recorded import RecordedPublisher
from router.delivery.recorder import QUEUE as RECEIPTS_QUEUE
from router.delivery.recorder import Recorder
from router.delivery.recounting import Recounting
from router.delivery.redriver import LOOK_EVERY, Redriver
from router.delivery.relay import Relay, RelayPolicy
from router.delivery.retention import OutageRetention, Retention, UploadExpiry
from router.delivery.topology_sync import Keeper, TopologyState
from router.delivery.yielding import Yielding
from router.errors import ContentFullError, UnavailableError
from router.faces import PartHealth, Services
from router.identity.configured import provider_of
from router.intake import Intake
from router.intake.amqp import MAX_SUBMISSION_BYTES, IntakeDoor
from router.intake.amqp import QUEUE as INTAKE_QUEUE
from router.intake.rights import RightsBook
from router.ledger.engine import reading
from router.ledger.way.receipts import Result
from router.ledger.way.righting import Waits
from router.ledger.writer import Writer
from router.mail.settings import MailSettings
from router.metrics import Metrics
from router.process.parts import Start
from router.settings import RouterSettings
from router.tls.contexts import TlsStanding
from router.web.app import create_app
from router.words.mailing import sender_of, troubles_of
from schemas.clock import now_ms
from schemas.dispatch import Secrecy
from schemas.events import Event
from schemas.office import office_terms
from schemas.receipt import MAX_SAID_BYTES
from schemas.recount import Kept as KeptPage

PREFETCH = 2000
_LOOK_FOR_CHANGES = 2.0
_ALIGN_EVERY = 15.0
_LOOK_FOR_SILENCE = 5.0
_PRUNE_EVERY = 3600.0
_EXPIRE_EVERY = 60.0
_LOOK_FOR_EMPTY = 60.0
_COUNT_DEADLINES_EVERY = 60.0
_SWEEP_UPLOADS_EVERY = 600.0
_LOOK_ASIDE_EVERY = 10.0
_LOOK_AFTER_LEDGER = 1.0
_DATABASE_ANSWERS_WITHIN = 5.0
_LOOK_FOR_NOTICES = 5.0
_SIGN_EVERY = 20.0
_LOOK_FOR_CERTIFICATES = 3600.0
log = structlog.get_logger()


class Parts:
    """The router's parts, wired.

    Args:
        settings: the router's.
        engine: the ledger, for reading.
        writer: the ledger's group commit.
        metrics: what is counted.
        session: the router's connection to its broker.
        stopping: set when the service is about to end.
    """

    def __init__(
        self,
        settings: RouterSettings,
        engine: Engine,
        writer: Writer,
        metrics: Metrics,
        session: Session,
        *,
        stopping: asyncio.Event,
    ) -> None:
        self._settings, self._engine, self._writer = settings, engine, writer
        self._metrics, self._session, self._stopping = metrics, session, stopping
        self._woken, self._steady = asyncio.Event(), asyncio.Event()
        self._publisher = session.publisher(window=settings.publish_window, confirm_timeout=settings.confirm_timeout)
        self._organisation = Organisation(engine, settings.timezone)
        self._organisation.refresh()
        self._recorded = self._make_recorded()
        self._hearing = Hearing(writer)
        session.on_state(self._hearing.on_session)
        self._recorder = self._make_recorder()
        self._relay = self._make_relay()
        self._asker = self._make_asker()
        self._expiry = Expiry(engine, self._recorder, after=settings.expire_after)
        self._redriver = Redriver(engine, writer, self._woken.set)
        waits = Waits(silence_of(settings), round(settings.relay_lease * 1000))
        self._alignment = Alignment(writer, self._woken.set, waits)
        self._broker = ManagedBroker(settings) if settings.management_url else None
        self._provider = provider_of(settings)
        self._keeper = self._make_keeper()
        self._line_watch = LineWatch(writer, self._hearing, doubt=self._keeper.on_doubt)
        session.on_state(self._keeper.on_session)
        session.on_doubt(self._keeper.on_doubt)
        self._organisation.on_change = self._keeper.on_change
        content = ContentStore(settings.data_dir / "content", reserve_bytes=settings.content_reserve_bytes)
        self._uploads = UploadStore(content, upload_limits_of(settings))
        self._encoder = Encoder(content, engine, seconds=settings.encode_seconds)
        self._doubts = Doubts(content, partial(restore, engine=engine))
        self._scrub = scrub_of(settings, engine, content)
        self._retention = Retention(writer, collector_of(settings, engine, content), kept_of(settings))
        metrics.watch_damaged(lambda: len(content.damaged()))
        self._checkpointer = checkpointer_of(settings, engine, writer)
        metrics.watch_tls(self._tls)
        self._recounting = self._make_recounting(content)
        self._possession = possession_of(settings, engine, writer)
        self._certificates = CertificateWatch(settings, metrics.seen_certificates)
        intake = self._make_intake(content)
        self.app = self._make_app(intake, content)
        door = IntakeDoor(intake, self._publisher, metrics.taken_in)
        self._consumers = {
            INTAKE_QUEUE: self._consume(INTAKE_QUEUE, door.handle, MAX_SUBMISSION_BYTES),
            RECEIPTS_QUEUE: self._consume(RECEIPTS_QUEUE, self._recorder.handle, MAX_SAID_BYTES),
        }
        self._yielding = Yielding(writer, self._consumers)
        self._notices = sender_of(settings, engine, metrics, partial(troubles_of, settings, session, content))

    def jobs(self) -> Mapping[str, Start]:
        """What runs beside the API until the end, each by its name."""
        uploads = UploadExpiry(self._uploads)
        outages = OutageRetention(self._writer, kept=self._settings.outages_kept)
        deadlines = Deadlines(self._engine, self._writer, office_terms())
        cares = CareWatch(self._engine, self._writer, self._settings.timezone)
        ask_every = min(_LOOK_FOR_CHANGES, self._settings.receipts_grace)
        sweep_every = min(_SWEEP_UPLOADS_EVERY, self._settings.upload_expiry)
        sending = {"notices": partial(self._notices.run, _LOOK_FOR_NOTICES)} if self._notices is not None else {}
        return sending | {
            "relay": self._relay.run,
            "recorded": self._recorded.run,
            "keeper": self._keeper.run,
            "withdrawals": self._keeper.run_withdrawals,
            "organisation": partial(periodically, self._organisation.watch, _LOOK_FOR_CHANGES),
            "asker": partial(periodically, self._asker.ask, ask_every),
            "recounting": partial(periodically, self._recounting.look, 0.0),
            "alignment": partial(periodically, self._alignment.align, _ALIGN_EVERY),
            "line watch": partial(periodically, self._line_watch.look, _LOOK_FOR_SILENCE),
            "outage retention": partial(periodically, outages.prune, _PRUNE_EVERY),
            "expiry": partial(periodically, self._expiry.expire, _EXPIRE_EVERY),
            "deadlines": partial(periodically, deadlines.look, _COUNT_DEADLINES_EVERY),
            "care": partial(periodically, cares.look, _LOOK_FOR_EMPTY),
            "upload expiry": partial(periodically, uploads.sweep, sweep_every),
            "redriver": partial(periodically, self._redriver.look, LOOK_EVERY),
            "scrub": partial(periodically, self._scrub.look, SLICE_SECONDS),
            "checkpoints": partial(periodically, self._checkpointer.look, _SIGN_EVERY),
            "retention": partial(periodically, self._retention.look, _PRUNE_EVERY),
            "yielding": partial(periodically, self._yielding.look, _LOOK_AFTER_LEDGER),
            "certificates": partial(periodically, self._certificates.look, _LOOK_FOR_CERTIFICATES),
            "look aside": partial(periodically, self._look_aside, _LOOK_ASIDE_EVERY),
        }

    def _consume(self, queue: str, handler: Handler, body_bytes: int) -> Consumer:
        return self._session.consume(
            [queue],
            handler,
            prefetch=PREFETCH,
            message_bytes=body_bytes,
            passing=(UnavailableError, ContentFullError, OSError, MemoryError),
            on_apart=self._metrics.set_apart,
        )

    async def _look_aside(self) -> None:
        """Note for the metrics what lies in ``dead`` and what comes back again and again."""
        self._metrics.set_apart_now = sum(consumer.set_apart for consumer in self._consumers.values())
        before, now = self._metrics.dead, await self._session.depth(DEAD)
        self._metrics.dead = now
        if now and now > (before or 0):
            log.warning(Event.DEAD_FILLED, messages=now)

    def close(self) -> None:
        """End what is in work in threads; blocks until it has ended."""
        self._scrub.stop()
        self._doubts.close()
        self._encoder.close()

    def _make_recorder(self) -> Recorder:
        return Recorder(
            writer=self._writer,
            publisher=self._publisher,
            silence=silence_of(self._settings),
            grace=self._settings.receipts_grace,
            hearing=self._hearing,
            wake=self._woken.set,
            on_recorded=self._note_recorded,
            on_kept=self._enter_kept,
        )

    async def _enter_kept(self, page: KeptPage) -> None:
        await self._recounting.enter(page)

    def _make_recorded(self) -> RecordedPublisher:
        settings = self._settings
        return RecordedPublisher(
            engine=self._engine,
            writer=self._writer,
            session=self._session,
            publisher=self._session.publisher(window=settings.publish_window, confirm_timeout=settings.confirm_timeout),
            steady=self._steady,
        )

    def _note_recorded(self, results: Sequence[Result]) -> None:
        self._metrics.recorded(results)
        self._doubts.note(results)
        self._recorded.wake()

    def _make_relay(self) -> Relay:
        settings = self._settings
        return Relay(
            writer=self._writer,
            session=self._session,
            publisher=self._publisher,
            recorder=self._recorder,
            organisation=self._organisation,
            woken=self._woken,
            steady=self._steady,
            policy=RelayPolicy(settings.relay_batch, settings.relay_poll, settings.relay_lease),
            on_outcome=self._metrics.published,
        )

    def _make_asker(self) -> Asker:
        return Asker(
            engine=self._engine,
            writer=self._writer,
            session=self._session,
            publisher=self._publisher,
            organisation=self._organisation,
            steady=self._steady,
        )

    def _make_recounting(self, content: ContentStore) -> Recounting:
        return Recounting(
            engine=self._engine,
            writer=self._writer,
            session=self._session,
            publisher=self._publisher,
            organisation=self._organisation,
            content=content,
            steady=self._steady,
            silence=silence_of(self._settings),
            grace=self._settings.receipts_grace,
        )

    def _make_keeper(self) -> Keeper:
        settings = self._settings
        return Keeper(
            broker=self._broker,
            plan=self._plan,
            directory=lambda: self._organisation.directory,
            writer=self._writer,
            steady=self._steady,
            interval=settings.topology_interval,
            on_state=self._note_topology,
        )

    def _make_intake(self, content: ContentStore) -> Intake:
        return Intake(
            writer=self._writer,
            content=content,
            possession=self._possession,
            encoder=self._encoder,
            directories=self._organisation,
            wake=self._woken.set,
            allow_secrecy=self._settings.allow_secrecy,
            rights=RightsBook(self._engine),
        )

    def _make_app(self, intake: Intake, content: ContentStore) -> FastAPI:
        return create_app(
            Services(
                intake=intake,
                content=content,
                possession=self._possession,
                uploads=self._uploads,
                encoder=self._encoder,
                engine=self._engine,
                organisation=self._organisation,
                health=self.health,
                metrics=self._metrics,
                max_attachment_bytes=self._settings.max_attachment_bytes,
                secrecies=tuple(Secrecy) if self._settings.allow_secrecy else (Secrecy.NONE,),
                timezone=self._settings.timezone,
                allowed_hosts=self._settings.allowed_hosts,
                hearing=self._hearing,
                provider=self._provider,
                sends_mail=MailSettings().is_on,
                stopping=self._stopping,
                certificates=self._certificates,
            )
        )

    def _plan(self) -> Topology:
        units = self._organisation.directory.all, self._organisation.today
        with reading(self._engine) as connection:
            return planned(connection, self._settings, now=now_ms(), of=units)

    def _tls(self) -> list[TlsStanding]:
        """Which certificates stand in the way of what the router connects to."""
        contexts = (part.tls for part in (self._session, self._broker, self._provider) if part is not None)
        return [found for tls in contexts if (found := tls.standing) is not None]

    def _note_topology(self, state: TopologyState) -> None:
        self._metrics.compared(stands=state.stands, fits=state.fits)

    async def health(self) -> Mapping[str, PartHealth]:
        """Broker, database and topology, told apart."""
        try:
            async with asyncio.timeout(_DATABASE_ANSWERS_WITHIN):
                is_standby = await asyncio.to_thread(_ask, self._engine)
            state = self._writer.state if not is_standby else "takes no changes (it is a standby)"
            database = PartHealth(up=self._writer.available and not is_standby, state=state)
        except (UnavailableError, TimeoutError):
            database = PartHealth(up=False, state="does not answer")
        topology = PartHealth(self._keeper.state.stands, self._keeper.state.words)
        return {
            "broker": PartHealth(self._session.state is SessionState.UP, self._session.said),
            "database": database,
            "topology": topology,
        }


def _ask(engine: Engine) -> bool:
    """Have the database answer; whether it is a standby, which answers every change with an error."""
    question = "SELECT pg_is_in_recovery()" if engine.dialect.name == "postgresql" else "SELECT 0"
    with reading(engine) as connection:
        return bool(connection.scalar(text(question)))
