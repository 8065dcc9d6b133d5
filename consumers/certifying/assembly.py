"""The part that keeps the gateway's own certificate, made and connected; nothing runs yet."""

from consumers.certifying.courier import CertificateCourier
from consumers.certifying.keeping import OwnCertificate
from consumers.fetching.origin import Clients
from consumers.line.openings import Openings
from consumers.line.pace import LinePace
from consumers.line.precedence import Side
from consumers.line.state import Line
from consumers.settings import GatewaySettings


def assemble_certificate(
    settings: GatewaySettings, clients: Clients, *, line: Line, pace: LinePace, side: Side, openings: Openings
) -> CertificateCourier:
    """Make the part.

    Args:
        settings: the gateway's.
        clients: for the router.
        line: shared with all that moves.
        pace: what it gives upward.
        side: of that line.
        openings: its hours.
    """
    wanted = settings.client_certificate_from_router
    return CertificateCourier(
        OwnCertificate(settings.tls_dir, settings.login) if wanted else None,
        clients,
        origin_url=settings.origin_url,
        line=line,
        pace=pace,
        side=side,
        lets=openings.lets,
    )
