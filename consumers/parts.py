"""The parts of a gateway, and how they stand together."""

from dataclasses import dataclass

from consumers.asking.inquirer import Inquirer
from consumers.certifying.assembly import CertificateKeeper, certificate_ends
from consumers.copies.upward import CopyCourier
from consumers.delivering.courier import Courier
from consumers.fetching.content import ContentDir
from consumers.fetching.dictionaries import Dictionaries
from consumers.fetching.origin import Clients
from consumers.line.openings import Openings
from consumers.line.outages import Outages
from consumers.line.state import Line
from consumers.reporting.health import days_of
from consumers.reporting.presence import Presence
from consumers.reporting.recounting import Recounting
from consumers.reporting.reporter import Reporter
from consumers.sending.assembly import Upward
from consumers.sinks import GuardedSink
from consumers.spool import Spool, Writer
from consumers.status import GatewayState, told
from consumers.taking.hosting import Hosting
from consumers.taking.naming import Naming
from consumers.taking.queues import Taking
from consumers.taking.room import Room
from consumers.trust.log_watch import LogWatch
from router.broker import Session
from router.tls.contexts import TlsStanding
from schemas.clock import now_ms
from schemas.dispatch import Lane

SHOWN_UNITS = 20
"""Units in the status file whose documents the sink fails, the longest first."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What a gateway consists of."""

    spool: Spool
    writer: Writer
    session: Session
    clients: Clients
    hosting: Hosting
    line: Line
    directory: ContentDir
    dictionaries: Dictionaries
    sink: GuardedSink
    taking: Taking
    room: Room
    courier: Courier
    reporters: dict[Lane, Reporter]
    presence: Presence
    recounting: Recounting
    outages: Outages
    openings: Openings
    upward: Upward
    copies: CopyCourier
    inquirer: Inquirer
    certificate: CertificateKeeper
    naming: Naming
    log_watch: LogWatch

    def standing(self) -> GatewayState:
        """How the parts stand, for the status file."""
        troubles = self.sink.circuits.troubles(now=now_ms())
        return GatewayState(
            units=len(self.hosting.codes),
            line=self.line.state.value,
            line_reason=self.line.reason,
            opening=self.openings.summary(),
            line_rate=round(self.line.pace.rate),
            line_rate_up=round(self.line.pace.rate_up),
            broker=self.session.state.value,
            sink="failing" if troubles else "working",
            sink_reason=troubles[0].reason if troubles else "",
            sink_code=troubles[0].code.value if troubles else "",
            taking="paused" if self.room.reason else "on",
            taking_reason=self.room.reason,
            log_alarm=self.log_watch.alarm.why,
            held_elsewhere=tuple(sorted(self.hosting.elsewhere)[:SHOWN_UNITS]),
            sink_units=tuple(item.unit for item in troubles[:SHOWN_UNITS]),
            certificates={
                item.which: item.days
                for item in days_of(certificate_ends(self.certificate, self.session, self.line), now_ms())
            },
            tls=told(standing_of(self.session, self.clients)),
        )


def standing_of(session: Session, clients: Clients) -> list[TlsStanding]:
    """Which certificates stand in the way of broker and router."""
    return [found for tls in (session.tls, clients.tls) if (found := tls.standing) is not None]
