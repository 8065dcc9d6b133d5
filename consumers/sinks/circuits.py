"""The circuits of a gateway's sink: one for each unit, and one for what all units share.

A unit whose folder or system fails holds up its own documents alone. What units share (a webhook, a program, the disk
of all folders) is taken to be down when documents of several units have failed with no success in between; then the
units that have failed probe it in turn, and a unit that has not failed may go, so nobody waits for another's fault.
"""

from dataclasses import dataclass, field

from consumers.sinks.circuit import Circuit, CircuitState
from schemas.reasons import TLS_CODES, ReasonCode

SURELY_NOT_THE_DOCUMENT = frozenset({ReasonCode.SINK_LOGIN, ReasonCode.SINK_ADDRESS, *TLS_CODES})
"""What is never a document's fault: it opens the circuit at once, and costs no try."""
_SEVERAL = 2
_MISSED_TRIES = 3
"""A trouble of the machine is over when no try has met it for so many of the longest pauses."""


@dataclass(slots=True)
class _Unit:
    circuit: Circuit
    since: int = 0
    code: ReasonCode = ReasonCode.SINK_TROUBLE


@dataclass(slots=True)
class _Machine:
    """A trouble of this machine that a unit's documents meet: how often, since when, until when, what the last was."""

    since: int
    met_at: int = 0
    times: int = 0
    code: ReasonCode = ReasonCode.GATEWAY_FAULT
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SinkTrouble:
    """A unit whose documents the sink does not take: since when (UTC ms), why, and how its circuit stands."""

    unit: str
    code: ReasonCode
    reason: str
    since: int
    state: CircuitState


@dataclass(slots=True)
class Circuits:
    """The circuits; units that the sink works for have none.

    Args:
        first_pause: seconds until the first probe.
    """

    first_pause: float
    _units: dict[str, _Unit] = field(default_factory=dict)
    _machine: dict[str, _Machine] = field(default_factory=dict)
    _shared: Circuit = field(init=False)

    def __post_init__(self) -> None:
        self._shared = Circuit(first_pause=self.first_pause)

    def admit(self, unit: str, delivery_id: str, *, now: int) -> int | None:
        """None when the document may go; otherwise when to ask again (UTC milliseconds)."""
        own = self._units.get(unit)
        if own is None:
            return None
        until = own.circuit.admit(delivery_id, now=now)
        if until is None and (until := self._shared.admit(delivery_id, now=now)) is not None:
            own.circuit.leave(delivery_id)
        return until

    def succeeded(self, unit: str) -> bool:
        """Note that the sink took a document of a unit; True when that closed a circuit."""
        self._machine.pop(unit, None)
        own = self._units.pop(unit, None)
        closed = own is not None and own.circuit.closed_by_success()
        if self._shared.closed_by_success():
            closed = True
            for other in self._units.values():
                other.circuit.probe_soon()
        return closed

    def failed(self, unit: str, delivery_id: str, reason: str, code: ReasonCode, *, now: int) -> bool:
        """Note that the sink failed a document of a unit; True when that opened the unit's circuit or kept it open."""
        own = self._units.setdefault(unit, _Unit(Circuit(first_pause=self.first_pause), now))
        own.code = code
        surely = code in SURELY_NOT_THE_DOCUMENT
        opened = own.circuit.opened_by_failure(delivery_id, reason, now=now, surely=surely)
        if len(self._units) >= _SEVERAL:
            self._shared.opened_by_failure(delivery_id, reason, now=now)
        return opened

    def troubled(self, unit: str, delivery_id: str, reason: str, code: ReasonCode, *, now: int) -> int:
        """Note that this machine was in the way of a unit's document: it is reported, and opens no circuit.

        Returns:
            How often that was so since the unit's last success.
        """
        self.leave(unit, delivery_id)
        met = self._machine.setdefault(unit, _Machine(now))
        met.times, met.met_at, met.code, met.reason = met.times + 1, now, code, reason
        return met.times

    def leave(self, unit: str, delivery_id: str) -> None:
        """Note that a try was broken off and says nothing; if it was the probe, another may go."""
        self._shared.leave(delivery_id)
        if own := self._units.get(unit):
            own.circuit.leave(delivery_id)

    def why(self, unit: str) -> tuple[ReasonCode, str]:
        """What the unit's last failure was."""
        own = self._units.get(unit)
        return (own.code, own.circuit.reason) if own else (ReasonCode.SINK_TROUBLE, "")

    def until(self, unit: str) -> int:
        """While the unit's circuit is open, when its next probe may go (UTC milliseconds)."""
        own = self._units.get(unit)
        return own.circuit.until if own else 0

    def state(self, unit: str) -> CircuitState:
        """How the unit's circuit stands."""
        own = self._units.get(unit)
        return own.circuit.state if own else CircuitState.CLOSED

    def troubles(self, *, now: int) -> list[SinkTrouble]:
        """The units whose documents the sink does not take, whoever is to blame, the longest first.

        What waits for this machine is tried again at the longest pause at the latest. So a trouble that nothing has met
        for longer is over, though no document of the unit was taken since: they were recalled, or there are none.

        Args:
            now: UTC milliseconds.
        """
        over = now - round(_MISSED_TRIES * self.first_pause * 1000)
        self._machine = {unit: met for unit, met in self._machine.items() if met.met_at >= over}
        found = [
            SinkTrouble(code, own.code, own.circuit.reason, own.since, own.circuit.state)
            for code, own in self._units.items()
        ]
        found += [
            SinkTrouble(code, met.code, met.reason, met.since, CircuitState.CLOSED)
            for code, met in self._machine.items()
            if code not in self._units
        ]
        return sorted(found, key=lambda item: (item.since, item.unit))
