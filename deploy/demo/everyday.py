"""What a kept demonstration adds for every screen to have something to show: people, a dropped line, a parked document.

All of it is done as it happens in earnest: people's receipts are written into the gateway's spool, its connections are
cut and refused, and a folder cannot be written to because a file stands in its place.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import aiohttp

from consumers.reading.inbox import InboxEntry, add_person_receipt, list_inbox
from consumers.spool.store import open_spool
from deploy.allinone import Running
from deploy.demo.errors import DemoError
from deploy.demo.follow import Followed, look
from deploy.demo.line import DemoLine
from deploy.demo.office import open_office
from deploy.demo.scenes import FILES, Scene, send
from deploy.demo.screen import DemoScreen
from schemas.accounts import Role
from schemas.states import UNDELIVERED, Status
from schemas.zone import zone

SETTINGS: Mapping[str, str] = {
    "CONGVAN_GATEWAY_PRESENCE_INTERVAL": "5",
    "CONGVAN_GATEWAY_SINK_ATTEMPTS": "3",
    "CONGVAN_GATEWAY_RETRY_FIRST": "0.5",
    "CONGVAN_GATEWAY_KEEP_FILES": "true",
}
"""The gateway's: silence is noticed and a document is parked in seconds, not minutes, and files stay for the desk."""
BLOCKED = "LCA.VP"
"""The unit at whose folder a file stands in the way."""
_DROP = 25.0
_SETTLES_WITHIN = 120.0
_LOOK_EVERY = 1.0
_READ = "315-QĐ/TU"
_CLERKS = ("Nguyễn Thị Hoa", "Vàng A Páo", "Lý Thị Mẩy", "Trần Văn Sơn", "Giàng Seo Chớ")


@dataclass(frozen=True, slots=True)
class PeopleReports:
    """How many units' people said what."""

    registered: int
    completed: int
    refused: str
    """The unit that did not accept the document."""


async def play(running: Running, line: DemoLine, screen: DemoScreen) -> None:
    """Let people act, drop the line while a document is on its way, and have one parked.

    Raises:
        DemoError: the document was refused, or is not where it should be in time.
    """
    home = running.inbox.parent
    gateway = home / "gateways" / running.gateways[0].removesuffix(".#")
    said = await asyncio.to_thread(let_people_act, gateway)
    screen.say(
        f"people: {_READ} registered at {said.registered} units, completed at {said.completed}, "
        f"refused at {said.refused}"
    )
    await open_office(running, gateway, screen)
    stone = running.inbox / BLOCKED
    await asyncio.to_thread(stone.write_text, "This file stands where the inbox folder should be; remove it.\n")
    headers = {"Authorization": f"Bearer {running.token_of(Role.ISSUER)}"}
    async with aiohttp.ClientSession(running.api_url, headers=headers) as http:
        line.drop()
        scene = _scene()
        followed = Followed(await send(http, scene), str(scene.letter["notation"]), scene.title)
        screen.say(f"line: down for {_DROP:.0f} s, just as {followed.notation} {scene.title} is sent")
        await asyncio.sleep(_DROP)
        line.restore()
        await _settle(http, followed)
    screen.say(f"line: up again, {followed.notation} is everywhere but at {BLOCKED}: parked there")
    screen.say(f"  mend it: rm {stone}; then redrive it in the console, under Stuck")


def let_people_act(gateway: Path) -> PeopleReports:
    """Write what people say of a document at the units that have it; blocks on the spool's disk."""
    spool = open_spool(gateway)
    try:
        entries = [it for it in list_inbox(spool, states=[Status.ARRIVED], limit=500) if it.notation == _READ]
        ordered = sorted(entries, key=lambda entry: entry.unit)
        *accepting, refusing = ordered
        for number, entry in enumerate(accepting):
            for status, fields in _reports(number):
                add_person_receipt(spool, entry.delivery_id, status, **fields)
        reason = "Không thuộc thẩm quyền của đơn vị"
        add_person_receipt(spool, refusing.delivery_id, Status.REFUSED, reason=reason, person=_CLERKS[0])
    finally:
        spool.close()
    return _summed(accepting, refusing)


def _reports(number: int) -> Sequence[tuple[Status, dict[str, str]]]:
    """What is said at the ``number``-th unit: most register, some assign, a few are done."""
    person = {"person": _CLERKS[number % len(_CLERKS)], "department": "Văn thư"}
    steps: list[tuple[Status, dict[str, str]]] = [
        (Status.REGISTERED, person | {"register_number": str(101 + number)}),
        (Status.ASSIGNED, {"person": "Bí thư", "department": "Thường trực"}),
        (Status.COMPLETED, person),
    ]
    return steps[: 3 - number % 4] if number % 4 < len(steps) else []


def _summed(accepting: Sequence[InboxEntry], refusing: InboxEntry) -> PeopleReports:
    said = [[status for status, _ in _reports(number)] for number in range(len(accepting))]
    return PeopleReports(
        registered=sum(Status.REGISTERED in some for some in said),
        completed=sum(Status.COMPLETED in some for some in said),
        refused=refusing.unit,
    )


def _scene() -> Scene:
    due = datetime.now(zone()) + timedelta(days=2)
    return Scene(
        "to a district and an office, with a deadline",
        {
            "notation": "92-CV/TU",
            "subject": "Báo cáo tình hình triển khai nhiệm vụ quý IV",
            "issuer": "LCA",
            "place": "Lào Cai",
            "urgency": 1,
            "due": due.isoformat(timespec="seconds"),
            "addressees": ["LCA.03.#", BLOCKED],
        },
        FILES / "cong-dien-mua-lu.pdf",
        "application/pdf",
    )


async def _settle(http: aiohttp.ClientSession, followed: Followed) -> None:
    """Wait until it has arrived wherever a line leads, and is parked where the folder is blocked.

    Raises:
        DemoError: that takes too long.
    """
    deadline = time.monotonic() + _SETTLES_WITHIN
    while True:
        await look(http, followed)
        moving = [item.unit for item in followed.addressees if item.reachable and item.state in UNDELIVERED]
        if followed.addressees and not moving:
            return
        if time.monotonic() > deadline:
            raise DemoError(f"{followed.notation} is still on its way to {', '.join(moving)}")
        await asyncio.sleep(_LOOK_EVERY)
