"""What pages say of errors."""

from router.pages.language import N_

ERRORS: dict[str, str] = {
    "not-found": N_("There is nothing here that you may see."),
    "forbidden": N_("Your roles do not allow this."),
    "foreign-request": N_("The form is not of this session; load its page again."),
    "login-needed": N_("Please log in."),
    "act-refused": N_("That cannot be done now."),
    "idempotency-conflict": N_("This form was sent before with something else in it; load its page again."),
    "malformed": N_("The address or the form cannot be read."),
    "too-large": N_("That is too long."),
    "ledger-unavailable": N_("The database does not answer; try again in a moment."),
    "link-ended": N_("The one-time link was used or has ended; ask for another."),
}
"""What pages say of an error, by its slug; the error itself says the rest in English."""
_ERRORS_BY_STATUS: dict[int, str] = {
    400: ERRORS["malformed"],
    401: ERRORS["login-needed"],
    403: ERRORS["forbidden"],
    404: N_("There is no such page."),
    405: N_("This page takes no such request."),
    413: ERRORS["too-large"],
    422: N_("What was asked for cannot be done as it was written."),
    429: N_("Too much was asked in a short time; wait a little."),
    503: ERRORS["ledger-unavailable"],
}
_SOMETHING = N_("Something went wrong here. It was noted; try again, or tell the administrator.")


def word_of_error(slug: str, status: int) -> str:
    """What a page says of an error: by its slug, else by its status."""
    return ERRORS.get(slug) or _ERRORS_BY_STATUS.get(status, _SOMETHING)
