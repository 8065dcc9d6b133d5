"""What the console's pages say of the router's errors, by their slugs."""

from router.pages.language import N_

ERRORS: dict[str, str] = {
    "act-refused": N_("That cannot be done now."),
    "idempotency-conflict": N_("This form was sent before with something else in it; load its page again."),
    "ledger-unavailable": N_("The database does not answer; try again in a moment."),
}
"""In addition to those of :mod:`router.pages.telling`; the error itself says the rest in English."""
