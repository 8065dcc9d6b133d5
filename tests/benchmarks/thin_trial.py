"""One trial on a thin line: what is sent and when, what was seen, and the six figures that follow from it."""

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, pairwise

from rig.emulator import Standing
from rig.profiles import CEILING, Profile

URGENT_AFTER = 0.5
"""Urgent documents are published in the middle of a time that the line stands."""
OFTEN = 0.02
"""Of packets that are lost."""
INTO_OUTAGE = 0.25
"""And one while it is down, when this share of the outage is over: the broker does not know of it yet."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What every contender gets: a line, its seed, a bulk document and urgent ones (bytes)."""

    profile: Profile
    seed: int
    bulk: int
    urgent: int
    urgents: int

    @property
    def duration(self) -> float:
        """Seconds that a perfect transfer of everything keeps the line up."""
        urgents = self.urgents + (self.profile.up_for is not None)
        return (self.bulk + self.urgent * urgents) * 8 / (self.profile.down_rate * CEILING)

    @property
    def deadline(self) -> float:
        """Seconds after which a contender has failed. Where packets are lost often, TCP alone takes twice the time."""
        drops = 0.0
        if self.profile.up_for:
            drops = (self.duration / self.profile.up_for[0] + 1) * self.profile.redial
        return (4 if self.profile.loss > OFTEN else 2) * self.duration + drops + 15

    def moments(self) -> list[float]:
        """When urgent documents are published: seconds from the line's start, each far from a drop."""
        wanted = [self.duration * (number + 1) / (self.urgents + 1) for number in range(self.urgents)]
        middles = [(began + (ended - began) * URGENT_AFTER, wanted) for began, ended in self._stands()]
        if self.profile.up_for is None:
            return wanted
        moments = [middle for middle, _ in middles]
        return sorted({min(moments, key=lambda moment, at=at: abs(moment - at)) for at in wanted})  # type: ignore[misc]

    def outage(self) -> float | None:
        """When one is published while the line is down: into an outage in the middle of the transfer."""
        ends = [ended for _, ended in self._stands()]
        return ends[len(ends) // 2] + INTO_OUTAGE * self.profile.redial if ends else None

    def _stands(self) -> Iterator[tuple[float, float]]:
        """When the line stands while a perfect transfer lasts."""
        changes = chain([0.0], self.profile.changes(self.seed))
        left = self.duration
        for began, ended in zip(*[changes] * 2, strict=False):
            if left <= ended - began:
                return
            yield began, ended
            left -= ended - began


@dataclass(slots=True)
class Sent:
    """A document on its way; moments in UTC milliseconds, 0 while not reached."""

    name: str
    size: int
    urgent: bool
    published: int
    outage: bool = False
    readable: int = 0
    verified: int = 0
    confirmed: int = 0


@dataclass(slots=True)
class Seen:
    """What one contender did in one trial."""

    contender: str
    plan: Plan
    sent: list[Sent]
    line: Standing
    at: int
    """When the trial was ended, UTC milliseconds."""


@dataclass(slots=True)
class Figures:
    """The figures of some trials of one contender; lists hold every single observation."""

    goodput: list[float] = field(default_factory=list)
    urgent: list[float] = field(default_factory=list)
    flash: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)
    first_byte: list[float] = field(default_factory=list)
    receipt: list[float] = field(default_factory=list)
    outage: list[float] = field(default_factory=list)
    unfinished: int = 0

    def median(self, name: str) -> float | None:
        """The middle of the observations of a figure."""
        values: list[float] = getattr(self, name)
        return statistics.median(values) if values else None

    def worst(self, name: str, pick: Callable[[Sequence[float]], float]) -> float | None:
        """The worst observation of a figure."""
        values: list[float] = getattr(self, name)
        return pick(values) if values else None


def figures_of(trials: Sequence[Seen]) -> Figures:
    """The figures over several trials."""
    found = Figures()
    for seen in trials:
        found.goodput.append(_goodput(seen))
        found.unfinished += sum(not item.verified for item in seen.sent)
        urgent = [item for item in seen.sent if item.urgent and not item.outage]
        found.outage += [_after_outage(seen, item) for item in seen.sent if item.outage and item.readable]
        found.urgent += [(item.verified - item.published) / 1000 for item in urgent if item.verified]
        found.flash += [(item.readable - item.published) / 1000 for item in urgent if item.readable]
        found.receipt += [(item.confirmed - item.verified) / 1000 for item in seen.sent if item.confirmed]
        found.again += _again(seen)
        found.first_byte += _first_bytes(seen)
    return found


def up_seconds(line: Standing, began: int, ended: int) -> float:
    """How long the line stood between two moments (UTC milliseconds)."""
    moments = [change.at for change in line.changes] + [max(ended, line.changes[-1].at)]
    spans = zip(line.changes, pairwise(moments), strict=True)
    stood = [(max(first, began), min(last, ended)) for change, (first, last) in spans if change.up]
    return sum(last - first for first, last in stood if last > first) / 1000


def _goodput(seen: Seen) -> float:
    done = [item for item in seen.sent if item.verified]
    began = seen.sent[0].published
    whole = len(done) == len(seen.sent)
    ended = max(item.verified for item in done) if whole else seen.at
    bits = 8 * sum(item.size for item in done)
    return bits / (seen.plan.profile.down_rate * up_seconds(seen.line, began, ended))


def _again(seen: Seen) -> list[float]:
    """Bytes per drop that were sent beyond the documents themselves; answers' headers are among them."""
    drops = sum(not change.up for change in seen.line.changes)
    if not drops or not all(item.verified for item in seen.sent):
        return []
    return [(seen.line.payload_sent - sum(item.size for item in seen.sent)) / drops]


def _after_outage(seen: Seen, item: Sent) -> float:
    """Seconds from the end of the outage in which an urgent document was published until its text can be read."""
    back = next(change.at for change in seen.line.changes if change.up and change.at > item.published)
    return (item.readable - back) / 1000


def _first_bytes(seen: Seen) -> list[float]:
    """Seconds from each time that the line came up to the first payload, while there was something to fetch."""
    ended = max((item.verified for item in seen.sent), default=0) or seen.at
    ups = [change.at for change in seen.line.changes if change.up]
    pairs = list(zip(ups, seen.line.first_payload, strict=True))[1:]
    return [(first - up) / 1000 for up, first in pairs if first and up < ended]
