"""Runs all checks, side by side."""

import asyncio

from deploy.doctor import certificates, local, mail, messages, services
from deploy.doctor.findings import Check, Finding, run
from router.settings import RouterSettings

CHECKS: dict[str, Check[RouterSettings]] = {
    "python": local.python,
    "disk": local.disk,
    "content store": local.content_store,
    "ledger": services.ledger,
    "ledger's memory": services.memory,
    "deadlines": services.deadlines,
    "contents": services.contents,
    "broker": services.broker,
    "management": services.management,
    "topology": services.topology,
    "broker capacity": services.broker_capacity,
    "dead letters": messages.dead,
    "messages set apart": messages.set_apart,
    "web API": services.web_api,
    "certificates": certificates.certificates,
    "token": services.token,
    "gateways": services.gateways,
    "identity provider": services.identity_provider,
    "mail server": mail.mail_server,
    "clock": services.clock,
}


async def examine(settings: RouterSettings) -> list[Finding]:
    """Every check's finding, in the order of the table."""
    return list(await asyncio.gather(*(run(name, check, settings) for name, check in CHECKS.items())))
