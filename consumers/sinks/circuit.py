"""One circuit: when several documents in a row have failed it is what they are handed to, not the documents.

While it is open, documents wait and it costs them no try; after a pause one document goes first (the probe). Its
success closes the circuit, its failure doubles the pause. A single document that always fails never opens it, so it
cannot hold up the others; it comes to the end of its own tries. :mod:`consumers.sinks.circuits` has one for each unit.
"""

from enum import StrEnum

from schemas.deadlines import is_over

FAILING_DOCUMENTS = 3
"""How many different documents fail, with no success in between, until the circuit opens."""
LONGEST_PAUSES = 10
"""The longest pause, in first pauses."""
_WHILE_PROBING_MS = 1000


class CircuitState(StrEnum):
    """How a circuit stands."""

    CLOSED = "closed"
    OPEN = "open"
    PROBING = "probing"


class Circuit:
    """The state of one circuit.

    Attributes:
        state: how it stands.
        reason: what the last failure said.
        until: while it is open, when the next probe may go (UTC milliseconds).
    """

    def __init__(self, *, first_pause: float) -> None:
        self._first_pause_ms = round(first_pause * 1000)
        self._pause_ms = self._first_pause_ms
        self._failing: set[str] = set()
        self._probe = ""
        self.state = CircuitState.CLOSED
        self.reason = ""
        self.until = 0

    def admit(self, delivery_id: str, *, now: int) -> int | None:
        """None when the document may go; otherwise when to ask again (UTC milliseconds)."""
        if self.state is CircuitState.CLOSED:
            return None
        if self.state is CircuitState.PROBING:
            return now + _WHILE_PROBING_MS
        if not is_over(self.until, now=now, longest=self._first_pause_ms * LONGEST_PAUSES):
            return self.until
        self.state, self._probe = CircuitState.PROBING, delivery_id
        return None

    def closed_by_success(self) -> bool:
        """Note that the sink answered; True when that closed the circuit."""
        was_closed = self.state is CircuitState.CLOSED
        self.state, self._probe = CircuitState.CLOSED, ""
        self._failing.clear()
        self._pause_ms = self._first_pause_ms
        return not was_closed

    def opened_by_failure(self, delivery_id: str, reason: str, *, now: int, surely: bool = False) -> bool:
        """Note that the sink failed a document; True when that opened the circuit or kept it open.

        Args:
            delivery_id: the document.
            reason: what the sink said.
            now: UTC milliseconds.
            surely: the failure cannot be about the document, so one is enough.
        """
        self.reason = reason
        if self.state is CircuitState.CLOSED:
            self._failing.add(delivery_id)
            return (surely or len(self._failing) >= FAILING_DOCUMENTS) and self._open(now)
        if delivery_id != self._probe:  # it was under way when the circuit opened
            return False
        self._pause_ms = min(self._pause_ms * 2, self._first_pause_ms * LONGEST_PAUSES)
        return self._open(now)

    def probe_soon(self) -> None:
        """Let a probe go without waiting for the pause to end: what it shares with others works again."""
        self.until = 0

    def leave(self, delivery_id: str) -> None:
        """Note that a try was broken off and says nothing; if it was the probe, another may go."""
        if self.state is CircuitState.PROBING and delivery_id == self._probe:
            self.state, self._probe = CircuitState.OPEN, ""

    def _open(self, now: int) -> bool:
        self.state, self._probe = CircuitState.OPEN, ""
        self.until = now + self._pause_ms
        return True
