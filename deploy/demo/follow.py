"""Follows dispatches over the web API: each addressee's state, and the receipts that came since the last look."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from schemas.unit import Link

REACHABLE = frozenset({Link.LAN, Link.WAN, Link.DIALUP})
ARRIVED = "arrived"


@dataclass(frozen=True, slots=True)
class Addressee:
    """One addressee as the API shows it."""

    unit: str
    name: str
    link: Link
    state: str
    reason: str

    @property
    def reachable(self) -> bool:
        """Whether a line leads there."""
        return self.link in REACHABLE


@dataclass(slots=True)
class Followed:
    """A dispatch and what is known of it."""

    id: str
    notation: str
    title: str
    addressees: Sequence[Addressee] = ()
    position: int = field(default=0)
    """The last receipt that was seen, by its place in the log."""

    @property
    def missing(self) -> list[Addressee]:
        """Reachable addressees at which it has not arrived."""
        return [item for item in self.addressees if item.reachable and item.state != ARRIVED]

    @property
    def waiting(self) -> list[Addressee]:
        """Addressees without a line: it waits for them, visibly."""
        return [item for item in self.addressees if not item.reachable]

    @property
    def arrived(self) -> int:
        """At how many it has arrived."""
        return sum(item.state == ARRIVED for item in self.addressees)

    @property
    def done(self) -> bool:
        """Whether it is everywhere it can be."""
        return bool(self.addressees) and not self.missing


async def look(http: aiohttp.ClientSession, followed: Followed) -> list[dict[str, Any]]:
    """Bring a dispatch up to date; the receipts that are new."""
    view = await _get(http, f"/api/v1/dispatches/{followed.id}")
    followed.addressees = [
        Addressee(item["unit"], item["unit_name"], Link(item["link"]), item["state"], item["reason"])
        for item in view["deliveries"]
    ]
    receipts = await _get(http, f"/api/v1/dispatches/{followed.id}/receipts?after={followed.position}")
    new: list[dict[str, Any]] = receipts["items"]
    if new:
        followed.position = new[-1]["pos"]
    return new


async def _get(http: aiohttp.ClientSession, path: str) -> Any:
    async with http.get(path) as answer:
        answer.raise_for_status()
        return await answer.json()
