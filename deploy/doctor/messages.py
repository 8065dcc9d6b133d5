"""Checks of what no part of the service can use: messages in ``dead``, and messages that come back again and again."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from deploy.doctor.findings import CheckAnswer, note, ok
from deploy.doctor.trusting import trusting
from router.broker.dead import DEAD
from router.delivery.managed_broker import management_of
from router.metrics import SET_APART_NOW
from router.settings import RouterSettings, vhost_of
from schemas.clock import iso

_LOOKED_AT = 50
_SHOWN = 3
_REASON = 160
_TIMEOUT = aiohttp.ClientTimeout(total=10)


async def dead(settings: RouterSettings) -> CheckAnswer:
    """How much lies in ``dead``, and the latest reasons why."""
    if not settings.management_url:
        return note("not looked at: CONGVAN_MANAGEMENT_URL is not set")
    vhost = vhost_of(settings.amqp_url)
    async with management_of(settings) as api:
        listed = await api.get("queues", vhost, disable_stats="true", enable_queue_totals="true")
        count = next((item.get("messages", 0) for item in listed or () if item["name"] == DEAD), None)
        if count is None:
            return note("the queue dead is not there", "`congvan topology apply` makes it")
        found = await api.peek(vhost, DEAD, _LOOKED_AT)
    count = max(count, len(found))  # the totals are up to 5 s old
    if not count:
        return ok("the queue dead is empty")
    told = "; ".join(_reasons(found)) or "none can be read now"
    return note(
        f"{count} messages in the queue dead: {told}",
        "each has its reason and its sender in its headers: tell the sender, then purge the queue",
    )


def _reasons(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """The reasons of some messages, the latest first, each with how many have it and when the last of them came."""
    counts: Counter[str] = Counter()
    latest: dict[str, int] = {}
    for item in found:
        properties = item.get("properties") or {}
        headers = properties.get("headers") or {}
        reason = str(headers.get("reason") or headers.get("x-first-death-reason") or "no reason given")[:_REASON]
        counts[reason] += 1
        latest[reason] = max(latest.get(reason, 0), int(properties.get("timestamp") or 0))
    ordered = sorted(latest, key=lambda reason: latest[reason], reverse=True)[:_SHOWN]
    return [f"{counts[reason]} x {reason!r}{_when(latest[reason])}" for reason in ordered]


def _when(seconds: int) -> str:
    return f" ({iso(seconds * 1000)})" if seconds else ""


async def set_apart(settings: RouterSettings) -> CheckAnswer:
    """Whether messages come back to the router again and again."""
    token = settings.token.get_secret_value()
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    url = f"{settings.api_url}/metrics"
    try:
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT, connector=trusting(settings.tls_files)) as http,
            http.get(url, headers=headers) as answer,
        ):
            if not answer.ok:
                return note(f"not known: {url} answers {answer.status}", "it is for operators' tokens")
            text = await answer.text()
    except (aiohttp.ClientError, TimeoutError):
        return note("not known: the router does not answer")
    families = {family.name: family for family in text_string_to_metric_families(text)}
    family = families.get(SET_APART_NOW.name)
    if family is None:
        return note(f"not known: {url} does not tell it")
    count = int(sum(sample.value for sample in family.samples))
    if not count:
        return ok("none comes back again and again")
    return note(
        f"{count} messages come back again and again; the others go on",
        "the router's log names each and why: event message_set_apart",
    )
