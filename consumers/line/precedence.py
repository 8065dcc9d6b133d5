"""What goes up and what comes down share the line: the most urgent class that has work in either direction has it.

A line carries both ways at once, so a document that comes and one that goes do not wait for each other when they are
equally urgent. But each slows the other: the acknowledgements of one queue behind the bytes of the other. So while
something more urgent goes up, nothing less urgent comes down, and the other way round.
"""

from collections.abc import Callable

NOTHING = -2
"""The urgency of a direction that has nothing to do."""
QUESTION = -1
"""That of what a person asks of the router: after every document."""


class Precedence:
    """Knows the most urgent work of each direction."""

    def __init__(self) -> None:
        self._sides: list[Side] = []

    def side(self) -> "Side":
        """One direction."""
        made = Side(self)
        self._sides.append(made)
        return made

    @property
    def top(self) -> int:
        """The most urgent class that has work."""
        return max((side.top for side in self._sides), default=NOTHING)

    def tell(self, teller: "Side") -> None:
        """Have the other directions look again."""
        for side in self._sides:
            if side is not teller:
                side.on_change()


class Side:
    """One direction's view.

    Attributes:
        top: the most urgent class of its own work.
        on_change: called when another direction's has changed.
    """

    def __init__(self, shared: Precedence) -> None:
        self.top = NOTHING
        self.on_change: Callable[[], None] = lambda: None
        self._shared = shared

    def say(self, top: int) -> int:
        """Report our own top; the class below which nothing may move now."""
        before, self.top = self.top, top
        if top != before:
            self._shared.tell(self)
        return self._shared.top
