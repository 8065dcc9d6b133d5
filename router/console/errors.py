"""What the console refuses before a page is made, and how it says so.

::

    RouterError
    ├── LoginNeededError       303  nobody is logged in: the way leads to the login page
    └── ForeignRequestError    403  a change that another site's page, or none of ours, asked for
"""

from router.errors import RouterError


class LoginNeededError(RouterError):
    """Nobody is logged in."""

    status, slug, title = 401, "login-needed", "Please log in"


class ForeignRequestError(RouterError):
    """A change that no page of ours asked for, or that a page of an ended session did."""

    status, slug, title = 403, "foreign-request", "The request does not come from a page of this session"
    default_hint = "load the page again and repeat it there"
