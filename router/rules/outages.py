"""When a unit's line was down: what its gateway reports, brought together with the silence that the router noticed.

A router learns of an outage late and without edges: nothing is heard any more. The gateway knows both edges and reports
them once the line is back. Both mean the same outage when their times overlap; then it stays one, with the gateway's
times. All times here are UTC milliseconds by the router's clock.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

SKEW_WEIGHT = 0.5
"""How far a report that seems to come from an earlier clock moves the skew: it may have waited a little on its way."""


class LineState(StrEnum):
    """What the router says of a unit's line."""

    UP = "up"
    DOWN = "down"


class ToldBy(StrEnum):
    """How an outage is known."""

    GATEWAY = "gateway"
    """It has told both edges."""
    SILENCE = "silence"
    """Nothing was heard: from the last sign to the next one."""


@dataclass(frozen=True, slots=True)
class Outage:
    """An outage as the ledger keeps it.

    ``ended_at`` is None while it lasts. ``gateway_began_at`` is its beginning as the gateway's own clock had it: two
    reports of one outage have it in common, whatever became of the clocks between them. ``key`` is None for a new one.
    """

    began_at: int
    ended_at: int | None
    told_by: ToldBy = ToldBy.GATEWAY
    gateway_began_at: int | None = None
    key: int | None = None


@dataclass(slots=True)
class OutageChanges:
    """What has to be written: outages that are new, those with a key that changed, keys of those that are gone."""

    added: list[Outage] = field(default_factory=list)
    changed: list[Outage] = field(default_factory=list)
    removed: list[int] = field(default_factory=list)


def reconcile(known: Sequence[Outage], reported: Sequence[Outage], *, heard_at: int, patience: int) -> OutageChanges:
    """Bring a gateway's report together with what the ledger knows of one unit.

    A silence gets the report's times. Only its beginning stays when the report begins much later: a gateway whose line
    was up for so long would have been heard; its machine slept, and does not know.

    Args:
        known: every outage of the ledger that may overlap a reported one, and the open one.
        reported: what the gateway tells, in any order; none of them open, each with its ``gateway_began_at``.
        heard_at: when the report came: no outage lasts longer.
        patience: milliseconds after which a gateway that says nothing is taken to be away.
    """
    told = {item.gateway_began_at for item in known}
    silences = [item for item in known if item.told_by is ToldBy.SILENCE]
    changes = OutageChanges()
    for item in sorted(reported, key=lambda item: item.began_at):
        if item.gateway_began_at in told:
            continue
        told.add(item.gateway_began_at)
        same = [silence for silence in silences if _overlap(silence, item)]
        silences = [silence for silence in silences if silence not in same]
        changes.removed.extend(_keys(same[1:]))
        if same:
            silent_since = min(silence.began_at for silence in same)
            slept = item.began_at - silent_since > patience
            began_at = silent_since if slept else item.began_at
            changes.changed.append(replace(item, began_at=began_at, key=same[0].key))
        else:
            changes.added.append(item)
    changes.changed.extend(replace(item, ended_at=max(heard_at, item.began_at)) for item in _open(silences))
    return changes


def settled_skew(before: int | None, sample: int, *, in_step: bool) -> int:
    """The gateway's clock minus ours, in milliseconds, after another report.

    Args:
        before: the skew so far; None: not known.
        sample: what the report says by its time and when it came. The time it spent on its way makes it too small, so
            a larger sample is the better one.
        in_step: it came about an interval after the one before; one that waited in the broker while the router was
            away does not.

    >>> settled_skew(None, -300, in_step=False), settled_skew(-300, -200, in_step=False)
    (-300, -200)
    >>> settled_skew(-200, -60_200, in_step=False), settled_skew(-200, -60_200, in_step=True)
    (-200, -30200)
    """
    if before is None or sample >= before:
        return sample
    if not in_step:
        return before
    return before + round((sample - before) * SKEW_WEIGHT)


def up_since(state: LineState | None, since: int, *, reported: Sequence[Outage], now: int) -> int:
    """Since when a line is up that was heard of now: the end of its last outage, else the first sign of it.

    Args:
        state: what the ledger says of the line; None: nothing yet.
        since: since when it says so.
        reported: the outages that the gateway reports now.
        now: the present.
    """
    end = max((item.ended_at for item in reported if item.ended_at is not None), default=0)
    if state is LineState.UP:
        return min(now, max(since, end))
    return min(now, end) if end > since else now


def _open(outages: Sequence[Outage]) -> Iterator[Outage]:
    return (item for item in outages if item.ended_at is None)


def _keys(outages: Sequence[Outage]) -> Iterator[int]:
    return (item.key for item in outages if item.key is not None)


def _overlap(silence: Outage, item: Outage) -> bool:
    """Whether two outages share a moment; what is open lasts."""
    begins_before = item.ended_at is None or silence.began_at <= item.ended_at
    return begins_before and (silence.ended_at is None or silence.ended_at >= item.began_at)
