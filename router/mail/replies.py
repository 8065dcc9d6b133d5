"""What a mail server's refusal means: whether it is the e-mail's, the server's, or known only by what others get. Pure.

A server says the same codes of itself as of one e-mail, and many say at the recipient what they hold against the client
(RFC 5321, 4.2; what an enhanced code is about: RFC 3463).
"""

import re
from enum import StrEnum

from router.mail.errors import MailDelayedError, MailDoubtedError, MailError, MailRefusedError, MailServerAwayError

_LASTING = 500
"""From this reply code on a refusal is for ever (RFC 5321, 4.2.1)."""
_CLOSING, _TOO_LARGE = 421, 552
_ENHANCED = re.compile(r"\d{3} [45]\.(\d{1,3})\.(\d{1,3})\b")
_ADDRESS, _MAILBOX, _SYSTEM, _CONTENT = 1, 2, 3, 6
_OF_THE_SENDER = {(_ADDRESS, 7), (_ADDRESS, 8)}
_LARGER_THAN_TAKEN = (_SYSTEM, 4)
_OF_A_MAILBOX = {450, 550, 551, 553}
"""Codes without an enhanced one that RFC 5321 gives to mailboxes."""


class Step(StrEnum):
    """Where in the conversation a refusal came."""

    SENDER = "sender"
    RECIPIENT = "recipient"
    CONTENT = "content"


def refusal(step: Step, code: int, said: str) -> MailError:
    """The error that a refusal is.

    Args:
        step: what was refused.
        code: of the reply.
        said: the whole of it, beginning with its code.

    >>> refusal(Step.RECIPIENT, 550, "550 5.1.1 no such user")
    MailRefusedError('550 5.1.1 no such user')
    >>> refusal(Step.RECIPIENT, 554, "554 5.7.1 Client host rejected")
    MailDoubtedError('554 5.7.1 Client host rejected')
    """
    lasts = code >= _LASTING
    if code == _CLOSING:
        return MailServerAwayError(f"the mail server takes nothing now: {said}")
    if _is_of_this_one(step, code, said):
        return MailRefusedError(said) if lasts else MailDelayedError(said)
    if step is Step.SENDER:
        return MailServerAwayError(f"the mail server takes nothing from us: {said}")
    return MailDoubtedError(said, lasts=lasts)


def _is_of_this_one(step: Step, code: int, said: str) -> bool:
    """Whether a refusal says something of the e-mail or of its recipient."""
    enhanced = _ENHANCED.match(said)
    about = (int(enhanced[1]), int(enhanced[2])) if enhanced else None
    if code == _TOO_LARGE or about == _LARGER_THAN_TAKEN:
        return True
    if step is Step.SENDER:
        return False
    if about is not None and about[0] in {_ADDRESS, _MAILBOX, _CONTENT}:
        return about not in _OF_THE_SENDER
    if step is Step.CONTENT and code >= _LASTING:
        return about is None or about[0] != _SYSTEM
    return about is None and code in _OF_A_MAILBOX
