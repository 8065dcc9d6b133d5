"""What is an incident: the broker is away, contents are damaged, half of the lines are down, the ledger is too old."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from router.ledger.queries import is_incident
from router.ledger.recovery.forgotten import Forgotten
from router.pages.language import N_
from router.rules.outages import LineState

_BEGIN, _END = "begin", "end"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is an incident while it is on.

    Args:
        name: by which it is known; without a space.
        is_on: whether it is there now.
        what: in English, with places for the values.
        values: see there.
        advice: what can be done.
    """

    name: str
    is_on: bool
    what: str
    advice: str
    values: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Incident:
    """What was told of a trouble last: its number, and whether it is on; number 0: nothing yet."""

    number: int
    is_on: bool

    @classmethod
    def last(cls, subject: str) -> "Incident":
        """From the subject of the latest notice, ``lines begin 3``; of none when it is empty."""
        if not subject:
            return cls(0, is_on=False)
        _, word, number = subject.rsplit(" ", 2)
        return cls(int(number), is_on=word == _BEGIN)

    def following(self) -> str:
        """What is told next, so that several routers that see it at once tell it once."""
        return f"{_END} {self.number}" if self.is_on else f"{_BEGIN} {self.number + 1}"


def incidents_of(lines: Mapping[LineState, int], lost: Forgotten) -> list[Trouble]:
    """What the ledger knows of incidents."""
    counts = {"down": lines[LineState.DOWN], "all": sum(lines.values())}
    return [
        Trouble(
            "lines",
            is_incident(lines),
            N_("%(down)s of %(all)s lines are down"),
            N_("Rather a cause they share: see the broker and the network on this side first (congvan doctor)."),
            counts,
        ),
        Trouble(
            "forgotten",
            lost.deliveries > 0,
            N_("the ledger is older than what gateways tell: %(deliveries)s deliveries are not in it"),
            N_("See the overview: the gateways can be asked for what was forgotten (congvan ledger recover)."),
            {"deliveries": lost.deliveries},
        ),
    ]


def broker_away(machine: str, *, is_up: bool) -> Trouble:
    """Whether a router has no connection to its broker."""
    return Trouble(
        f"broker@{machine}",
        not is_up,
        N_("the router at %(machine)s has no connection to its broker"),
        N_("Accepted documents are safe and wait. See the broker and the network (congvan doctor)."),
        {"machine": machine},
    )


def contents_damaged(machine: str, count: int) -> Trouble:
    """Whether a router's store has contents that are not what they were."""
    return Trouble(
        f"contents@{machine}",
        count > 0,
        N_("stored attachments at %(machine)s are damaged"),
        N_("Their deliveries wait. `congvan content verify` names them; whoever sends the same file again mends it."),
        {"machine": machine},
    )
