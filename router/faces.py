"""What the web API and the console stand on: the router's parts that they call, as its service hands them over."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol
from zoneinfo import ZoneInfo

from sqlalchemy import Engine

from router.content import ContentStore
from router.content.encoding import Encoder
from router.content.possession import Possession
from router.content.uploads import UploadStore
from router.delivery.certificate_watch import CertificateWatch
from router.delivery.hearing import Hearing
from router.directory import Directory, Resolution
from router.identity import Provider
from router.ledger.people.audit import By
from router.ledger.way.acceptance import NewDispatch
from router.metrics import Metrics
from schemas.accounts import Account
from schemas.dispatch import Accepted, Secrecy, Submission
from schemas.rights import Rights


class Intake(Protocol):
    """The door's other side: see :class:`router.intake.Intake`."""

    async def accept(
        self,
        submission: Submission,
        *,
        sender: Account,
        idempotency_key: str,
        traceparent: str = "",
        by: By | None = None,
    ) -> Accepted:
        """Accept a submission, once."""
        ...

    async def rehearse(self, submission: Submission, *, sender: Account, content: ContentStore) -> NewDispatch:
        """What accepting it would commit; nothing is kept."""
        ...

    def resolve(self, rules: tuple[str, ...]) -> Resolution:
        """Who would be addressed, who not, and why."""
        ...

    async def rights_of(self, account: Account) -> Rights:
        """What an account may send."""
        ...


class Organisation(Protocol):
    """Holds the directory as it is now: see :class:`router.delivery.organisation.Organisation`."""

    @property
    def directory(self) -> Directory:
        """The present snapshot."""
        ...

    @property
    def today(self) -> date:
        """The organisation's day."""
        ...


@dataclass(frozen=True, slots=True)
class PartHealth:
    """Whether a part works, and its state in a word or two: it is shown to everyone, so it names no host or login."""

    up: bool
    state: str


HealthCheck = Callable[[], Awaitable[Mapping[str, PartHealth]]]
"""Looks at each part the router needs; the names are ``broker``, ``database`` and ``topology``."""


@dataclass(frozen=True, slots=True)
class Services:
    """The parts that they call.

    Args:
        intake: accepts submissions.
        content: the store of attachments.
        possession: who brought which, and may name it.
        uploads: attachments that have not come whole yet.
        encoder: makes their forms.
        engine: the ledger, read in threads.
        organisation: the present directory.
        health: looks at broker and database.
        metrics: what the router counts.
        max_attachment_bytes: the largest file that is accepted.
        secrecies: the degrees of secrecy that are taken.
        timezone: IANA name of the zone whose times people are shown.
        idle_timeout: seconds without a byte after which an upload is given up.
        allowed_hosts: names that are answered to; none: any.
        hearing: since when a gateway that was not heard of is taken to be gone.
        provider: where people may log in other than by the console's own accounts; None: nowhere.
        sends_mail: whether there is a mail server for notices.
        certificates: how long they are good, and what certifies accounts; None: nothing looks.
        stopping: set when the process is about to end, so that answers without an end of their own find one.
    """

    intake: Intake
    content: ContentStore
    possession: Possession
    uploads: UploadStore
    encoder: Encoder
    engine: Engine
    organisation: Organisation
    health: HealthCheck
    metrics: Metrics
    max_attachment_bytes: int
    secrecies: tuple[Secrecy, ...] = (Secrecy.NONE,)
    timezone: str = "Asia/Ho_Chi_Minh"
    idle_timeout: float = 60.0
    allowed_hosts: tuple[str, ...] = ()
    hearing: Hearing = field(default_factory=Hearing)
    provider: Provider | None = None
    sends_mail: bool = False
    certificates: CertificateWatch | None = None
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def zone(self) -> ZoneInfo:
        """The zone of the timezone."""
        return ZoneInfo(self.timezone)
