"""Checks of the way by which people are told: the mail server."""

from deploy.doctor.findings import CheckAnswer, ok
from router.mail.settings import MailSettings
from schemas.settings import ProgramSettings


async def mail_server(_settings: ProgramSettings) -> CheckAnswer:
    """Whether the mail server lets us in, encrypted as the settings say."""
    settings = MailSettings()
    if not settings.is_on:
        return ok("none: nobody is told by e-mail")
    from router.mail.trial import reach  # with libraries that a gateway without a desk does not have

    await reach(settings)
    way = {"starttls": "STARTTLS", "implicit": "TLS", "none": "no encryption"}[settings.tls]
    login = f"as {settings.user}" if settings.user else "without a login"
    return ok(f"{settings.host}:{settings.port_there} by {way} {login}; `congvan mail test ADDRESS` sends an e-mail")
