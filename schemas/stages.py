"""How far a document has come that the unit sends; alone here, so that a command's help needs no database."""

from enum import StrEnum


class Stage(StrEnum):
    """The states of the outbox."""

    WAITING = "waiting"
    """It goes up, or waits for the line, for its turn, or for what its reason says."""
    ACCEPTED = "accepted"
    """The router carries it."""
    REJECTED = "rejected"
    """It cannot be sent as it is."""
