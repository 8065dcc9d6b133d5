"""The part that keeps the gateway's own certificate, made and connected; nothing runs yet."""

import asyncio
from typing import Protocol

from consumers.fetching.origin import Clients
from consumers.line.openings import Openings
from consumers.line.pace import LinePace
from consumers.line.precedence import Side
from consumers.line.state import Line
from consumers.settings import GatewaySettings
from router.broker import Session


class CertificateKeeper(Protocol):
    """Keeps a certificate, or none."""

    @property
    def ends(self) -> int | None:
        """When the certificate in use ends, UTC ms; None: there is none."""
        ...

    async def run(self) -> None:
        """Work until cancelled."""
        ...


class NoCertificate:
    """A gateway that has no certificate of the router."""

    ends = None

    async def run(self) -> None:
        """Nothing, until cancelled."""
        await asyncio.Event().wait()


def assemble_certificate(
    settings: GatewaySettings, clients: Clients, *, line: Line, pace: LinePace, side: Side, openings: Openings
) -> CertificateKeeper:
    """Make the part.

    Args:
        settings: the gateway's.
        clients: for the router.
        line: shared with all that moves.
        pace: what it gives upward.
        side: of that line.
        openings: its hours.
    """
    if not settings.client_certificate_from_router:
        return NoCertificate()
    # Only here: the library takes 9 MB, and a gateway may have little memory.
    from consumers.certifying.courier import CertificateCourier  # noqa: PLC0415 - as said
    from consumers.certifying.keeping import OwnCertificate  # noqa: PLC0415 - as above

    return CertificateCourier(
        OwnCertificate(settings.tls_dir, settings.login),
        clients,
        origin_url=settings.origin_url,
        line=line,
        pace=pace,
        side=side,
        lets=openings.lets,
    )


def certificate_ends(own: CertificateKeeper, session: Session, line: Line) -> dict[str, int]:
    """When the gateway's certificate ends, and those that it is shown, UTC ms; what is not known is left out."""
    ends = {"client": own.ends, "broker": session.certificate_ends, "origin": line.certificate_ends}
    return {which: end for which, end in ends.items() if end is not None}
