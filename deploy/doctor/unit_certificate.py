"""Checks the certificate that a gateway has of the router: whether there is one, and how many days are left."""

from consumers.certifying.keeping import OwnCertificate
from consumers.settings import GatewaySettings
from deploy.doctor.findings import CheckAnswer, failed, note, ok
from schemas.clock import now_ms


async def own_certificate(settings: GatewaySettings) -> CheckAnswer:
    """Whether the gateway's own certificate is good, where it has one of the router."""
    if not settings.client_certificate_from_router:
        return ok("none of the router is wanted: CONGVAN_GATEWAY_CLIENT_CERTIFICATE_FROM_ROUTER")
    own = OwnCertificate(settings.tls_dir, settings.login)
    found, now = own.current(), now_ms()
    if found is None:
        return note(f"there is none in {own.path} yet", "a running gateway asks for it; its log says why there is none")
    left = f"{found.days_left(now):.0f} days left"
    if now >= found.not_after:
        return failed(f"it has ended: {left}", "the gateway's log says why the router gave no new one")
    if found.is_due(now):
        return note(f"{left}: the gateway asks for the next one when the line is idle")
    return ok(f"{left}, for {found.subject}")
