"""What is refused before a page is made, whoever's page it is, and what cannot be done with a program's people.

::

    PageError
    ├── LoginNeededError       303  nobody is logged in: the way leads to the login page
    ├── ForeignRequestError    403  a change that another site's page, or none of ours, asked for
    ├── FormUnreadableError    400  a form with files that is none, or is not in its order
    ├── FormStalledError       408  a form whose bytes stopped coming
    ├── FormTooLargeError      413  a form that is larger than any of ours, or does not say how large it is
    ├── LinkEndedError         404  a one-time link that was used, has ended or never was
    ├── UnknownPersonError     404  there is no such person, or nobody who may come in
    ├── GrantMissingError      422  a role is taken back that the person does not have
    └── LockedOutError         429  too many logins failed in a row
"""

from typing import ClassVar


class PageError(Exception):
    """Base of these errors.

    Args:
        detail: what happened.
        hint: what the person can do; empty: what the class says.
    """

    status: ClassVar[int]
    """The HTTP status that it is answered with."""
    slug: ClassVar[str]
    """Its name, by which its words are found."""
    default_hint: ClassVar[str] = ""

    def __init__(self, detail: str, *, hint: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint or self.default_hint


class LoginNeededError(PageError):
    """Nobody is logged in."""

    status, slug = 401, "login-needed"


class ForeignRequestError(PageError):
    """A change that no page of ours asked for, or that a page of an ended session did."""

    status, slug = 403, "foreign-request"
    default_hint = "load the page again and repeat it there"


class FormUnreadableError(PageError):
    """A form with files that is none, or whose parts are not in their order."""

    status, slug = 400, "malformed"


class FormStalledError(PageError):
    """A form whose bytes stopped coming."""

    status, slug = 408, "stalled"
    default_hint = "send it again; it is not sent twice"


class FormTooLargeError(PageError):
    """A form of too many bytes, or of nobody knows how many."""

    status, slug = 413, "too-large"


class LinkEndedError(PageError):
    """A one-time link that was used, has ended or never was."""

    status, slug = 404, "link-ended"


class UnknownPersonError(PageError):
    """There is no such person, or nobody who may come in."""

    status, slug = 404, "not-found"


class GrantMissingError(PageError):
    """A role that the person does not have."""

    status, slug = 422, "refused"


class LockedOutError(PageError):
    """Too many logins failed in a row.

    Args:
        detail: who is locked out.
        seconds: until the next attempt is looked at.
    """

    status, slug = 429, "locked-out"

    def __init__(self, detail: str, *, seconds: int) -> None:
        super().__init__(detail, hint=f"try again in {seconds} s")
        self.seconds = seconds
