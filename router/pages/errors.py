"""What is refused before a page is made, whoever's page it is.

::

    PageError
    ├── LoginNeededError       303  nobody is logged in: the way leads to the login page
    ├── ForeignRequestError    403  a change that another site's page, or none of ours, asked for
    └── FormTooLargeError      413  a form that is larger than any of ours, or does not say how large it is
"""

from typing import ClassVar


class PageError(Exception):
    """Base of these errors.

    Args:
        detail: what happened.
    """

    status: ClassVar[int]
    """The HTTP status that it is answered with."""
    slug: ClassVar[str]
    """Its name, by which its words are found."""
    hint: ClassVar[str] = ""
    """What the person can do."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class LoginNeededError(PageError):
    """Nobody is logged in."""

    status, slug = 401, "login-needed"


class ForeignRequestError(PageError):
    """A change that no page of ours asked for, or that a page of an ended session did."""

    status, slug = 403, "foreign-request"
    hint = "load the page again and repeat it there"


class FormTooLargeError(PageError):
    """A form of too many bytes, or of nobody knows how many."""

    status, slug = 413, "too-large"
