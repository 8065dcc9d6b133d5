"""Puts the router's parts together: who gets which, in one place."""

import asyncio
from collections.abc import Mapping
from functools import partial

from fastapi import FastAPI
from sqlalchemy import Engine, text

from router.api.app import create_app
from router.api.services import PartHealth, Services
from router.asking import Asker
from router.broker import Session, SessionState
from router.broker.management import Management
from router.broker.topology import Changes, Topology, apply
from router.clocks import Alignment, Expiry, LineWatch, Organisation, OutageRetention, UploadExpiry, periodically
from router.content import ContentStore
from router.encoding import Encoder
from router.errors import UnavailableError
from router.identity import Provider, ProviderClient
from router.intake import Intake
from router.intake.amqp import QUEUE as INTAKE_QUEUE
from router.intake.amqp import IntakeDoor
from router.keeper import Keeper
from router.ledger.engine import reading
from router.ledger.writer import Writer
from router.metrics import Metrics
from router.process.parts import Start
from router.recorder import QUEUE as RECEIPTS_QUEUE
from router.recorder import Recorder
from router.redriver import LOOK_EVERY, Redriver
from router.relay import Relay, RelayPolicy
from router.schedule import Silence
from router.settings import RouterSettings, vhost_of
from router.uploads import UploadLimits, UploadStore

_PREFETCH = 2000
_LOOK_FOR_CHANGES = 5.0
_ALIGN_EVERY = 15.0
_LOOK_FOR_SILENCE = 5.0
_PRUNE_EVERY = 3600.0
_EXPIRE_EVERY = 60.0
_SWEEP_UPLOADS_EVERY = 600.0
_DATABASE_ANSWERS_WITHIN = 5.0


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
        self._stopping = stopping
        self._settings, self._engine, self._writer = settings, engine, writer
        self._metrics, self._session = metrics, session
        self._knocked, self._steady = asyncio.Event(), asyncio.Event()
        self._publisher = session.publisher(window=settings.publish_window, confirm_timeout=settings.confirm_timeout)
        self._organisation = Organisation(engine, settings.timezone)
        self._organisation.refresh()
        self._recorder = self._make_recorder()
        self._relay = self._make_relay()
        self._asker = self._make_asker()
        self._expiry = Expiry(engine, self._recorder, after=settings.expire_after)
        self._redriver = Redriver(engine, writer, self._knocked.set)
        self._alignment = Alignment(writer, self._knocked.set)
        self._line_watch = LineWatch(writer)
        self._keeper = self._make_keeper()
        session.on_state(self._keeper.on_session)
        session.on_state(self._line_watch.on_session)
        self._organisation.on_change = self._keeper.on_change
        content = ContentStore(settings.data_dir / "content", reserve_bytes=settings.content_reserve_bytes)
        self._uploads = UploadStore(content, upload_limits_of(settings))
        self._encoder = Encoder(content, engine, seconds=settings.encode_seconds)
        intake = self._make_intake(content)
        self.app = self._make_app(intake, content)
        door = IntakeDoor(intake, self._publisher, metrics.taken_in)
        session.consume([INTAKE_QUEUE], door.handle, prefetch=_PREFETCH)
        session.consume([RECEIPTS_QUEUE], self._recorder.handle, prefetch=_PREFETCH)

    def jobs(self) -> Mapping[str, Start]:
        """What runs beside the API until the end, each by its name."""
        uploads = UploadExpiry(self._uploads)
        outages = OutageRetention(self._writer, kept=self._settings.outages_kept)
        ask_every = min(_LOOK_FOR_CHANGES, self._settings.receipts_grace)
        sweep_every = min(_SWEEP_UPLOADS_EVERY, self._settings.upload_expiry)
        return {
            "relay": self._relay.run,
            "keeper": self._keeper.run,
            "organisation": partial(periodically, self._organisation.watch, _LOOK_FOR_CHANGES),
            "asker": partial(periodically, self._asker.ask, ask_every),
            "alignment": partial(periodically, self._alignment.align, _ALIGN_EVERY),
            "line watch": partial(periodically, self._line_watch.look, _LOOK_FOR_SILENCE),
            "outage retention": partial(periodically, outages.prune, _PRUNE_EVERY),
            "expiry": partial(periodically, self._expiry.expire, _EXPIRE_EVERY),
            "upload expiry": partial(periodically, uploads.sweep, sweep_every),
            "redriver": partial(periodically, self._redriver.look, LOOK_EVERY),
        }

    def close(self) -> None:
        """End what is in work in threads; blocks until it has ended."""
        self._encoder.close()

    def _make_recorder(self) -> Recorder:
        return Recorder(
            writer=self._writer,
            publisher=self._publisher,
            silence=silence_of(self._settings),
            grace=self._settings.receipts_grace,
            knock=self._knocked.set,
            on_recorded=self._metrics.recorded,
        )

    def _make_relay(self) -> Relay:
        settings = self._settings
        return Relay(
            writer=self._writer,
            session=self._session,
            publisher=self._publisher,
            recorder=self._recorder,
            organisation=self._organisation,
            knocked=self._knocked,
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

    def _make_keeper(self) -> Keeper:
        settings = self._settings
        return Keeper(
            engine=self._engine,
            organisation=self._organisation,
            writer=self._writer,
            vhost=vhost_of(settings.amqp_url),
            apply=self._apply if settings.management_url else None,
            steady=self._steady,
        )

    def _make_intake(self, content: ContentStore) -> Intake:
        return Intake(
            writer=self._writer,
            content=content,
            encoder=self._encoder,
            directories=self._organisation,
            knock=self._knocked.set,
            allow_secrecy=self._settings.allow_secrecy,
        )

    def _make_app(self, intake: Intake, content: ContentStore) -> FastAPI:
        return create_app(
            Services(
                intake=intake,
                content=content,
                uploads=self._uploads,
                encoder=self._encoder,
                engine=self._engine,
                organisation=self._organisation,
                health=self.health,
                metrics=self._metrics,
                max_attachment_bytes=self._settings.max_attachment_bytes,
                timezone=self._settings.timezone,
                provider=provider_of(self._settings),
                stopping=self._stopping,
            )
        )

    async def _apply(self, wanted: Topology) -> Changes:
        settings = self._settings
        async with Management(
            settings.management_url, settings.amqp_user, settings.amqp_password.get_secret_value()
        ) as management:
            return await apply(management, vhost_of(settings.amqp_url), wanted)

    async def health(self) -> Mapping[str, PartHealth]:
        """Broker and database, told apart."""
        session = self._session.state
        try:
            is_standby = await asyncio.wait_for(asyncio.to_thread(_ask, self._engine), _DATABASE_ANSWERS_WITHIN)
            state = self._writer.state if not is_standby else "takes no changes (it is a standby)"
            database = PartHealth(up=self._writer.available and not is_standby, state=state)
        except (UnavailableError, TimeoutError):
            database = PartHealth(up=False, state="does not answer")
        return {"broker": PartHealth(session is SessionState.UP, session.value), "database": database}


def silence_of(settings: RouterSettings) -> Silence:
    """The settings' intervals in milliseconds."""
    return Silence(
        lan=round(settings.silence_lan * 1000),
        dialup=round(settings.silence_dialup * 1000),
        express_factor=settings.silence_express_factor,
        longest=round(settings.silence_max * 1000),
    )


def provider_of(settings: RouterSettings) -> Provider | None:
    """The identity provider of the settings; None: there is none."""
    if not settings.oidc_issuer:
        return None
    secret = settings.oidc_client_secret.get_secret_value()
    return Provider(ProviderClient(settings.oidc_issuer, settings.oidc_client_id, secret))


def upload_limits_of(settings: RouterSettings) -> UploadLimits:
    """What one account may have unfinished, as the settings say."""
    return UploadLimits(
        largest=settings.max_attachment_bytes,
        uploads=settings.uploads_per_account,
        total=settings.upload_bytes_per_account,
        expire_after=settings.upload_expiry,
    )


def _ask(engine: Engine) -> bool:
    """Have the database answer; whether it is a standby, which answers every change with an error."""
    question = "SELECT pg_is_in_recovery()" if engine.dialect.name == "postgresql" else "SELECT 0"
    with reading(engine) as connection:
        return bool(connection.scalar(text(question)))
