"""What can go wrong with an e-mail.

MailError
├── MailServerAwayError   no e-mail can be handed over now: the server is away, or refuses us
├── MailDoubtedError      this one cannot; whether others can shows whose fault that is
├── MailDelayedError      this one cannot be handed over now, another may
├── MailRefusedError      this one never can
└── UnknownMailError      there is no such e-mail
"""

from router.process.fate import Fate


class MailError(Exception):
    """Base of the errors of e-mail."""

    exit_code = 1
    hint = ""


class MailServerAwayError(MailError):
    """The mail server does not answer, or takes nothing from us."""

    exit_code = 5
    fate = Fate.AWAY
    hint = "see CONGVAN_MAIL_HOST, …_PORT, …_TLS and the login; `congvan config show` lists them"


class MailDoubtedError(MailError):
    """The server refuses an e-mail for a reason that may hold for all: its policy, its disk.

    Args:
        said: by the server.
        lasts: whether it is for ever, if it is this e-mail's alone.
    """

    def __init__(self, said: str, *, lasts: bool) -> None:
        super().__init__(said)
        self.lasts = lasts


class MailDelayedError(MailError):
    """The server puts this e-mail off, or the connection was lost before it had confirmed it."""

    exit_code = 5


class MailRefusedError(MailError):
    """The server will not take this e-mail, whenever it is tried."""


class UnknownMailError(MailError):
    """There is no e-mail with this id that was not sent."""

    exit_code = 3
