"""What becomes of an e-mail."""

from enum import StrEnum


class MailState(StrEnum):
    """What became of an e-mail."""

    WAITING = "waiting"
    SENT = "sent"
    REFUSED = "refused"
    """The server will not take it."""
    GIVEN_UP = "given_up"
    """It was put off too often or for too long."""
    DROPPED = "dropped"
    """Its person may not have it any more, or does not want it."""


FAILED = (MailState.REFUSED, MailState.GIVEN_UP)
"""What an operator can have tried again."""
