"""Whose fault a refusal is, by where it came and by its codes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.mail.errors import MailDelayedError, MailDoubtedError, MailError, MailRefusedError, MailServerAwayError
from router.mail.outbox import LEASE_MS
from router.mail.replies import Step, refusal
from router.mail.transport import CONFIRM_SECONDS, MOST_SECONDS

S, R, C = Step.SENDER, Step.RECIPIENT, Step.CONTENT


@pytest.mark.parametrize(
    ("step", "said", "kind"),
    [
        (S, "421 closing", MailServerAwayError),
        (S, "550 5.7.1 sender rejected", MailServerAwayError),
        (S, "451 try later", MailServerAwayError),
        (S, "452 insufficient system storage", MailServerAwayError),
        (S, "552 5.3.4 message size exceeds fixed limit", MailRefusedError),
        (S, "552 too large", MailRefusedError),
        (R, "421 4.3.2 shutting down", MailServerAwayError),
        (R, "550 5.1.1 no such user", MailRefusedError),
        (R, "550 no such user", MailRefusedError),
        (R, "553 mailbox name not allowed", MailRefusedError),
        (R, "450 4.2.0 greylisted", MailDelayedError),
        (R, "450 mailbox busy", MailDelayedError),
        (R, "452 4.2.2 mailbox full", MailDelayedError),
        (R, "552 5.2.2 mailbox full", MailRefusedError),
        (R, "452 insufficient system storage", MailDoubtedError),
        (R, "452 4.3.1 insufficient system storage", MailDoubtedError),
        (R, "554 5.7.1 relay access denied", MailDoubtedError),
        (R, "550 5.7.1 blocked", MailDoubtedError),
        (R, "550 5.1.8 sender's domain not found", MailDoubtedError),
        (R, "450 4.7.1 client host rejected", MailDoubtedError),
        (R, "530 authentication required", MailDoubtedError),
        (R, "554 refused", MailDoubtedError),
        (R, "451 local error", MailDoubtedError),
        (C, "421 closing", MailServerAwayError),
        (C, "452 insufficient system storage", MailDoubtedError),
        (C, "451 4.7.1 try later", MailDoubtedError),
        (C, "554 5.3.0 internal error", MailDoubtedError),
        (C, "554 5.7.1 looks like spam", MailRefusedError),
        (C, "554 transaction failed", MailRefusedError),
        (C, "552 5.3.4 too big", MailRefusedError),
        (C, "550 5.6.0 content refused", MailRefusedError),
    ],
)
def test_a_refusal_is_of_the_e_mail_of_the_server_or_in_doubt(step: Step, said: str, kind: type[MailError]) -> None:
    assert type(refusal(step, int(said[:3]), said)) is kind


@given(st.sampled_from(Step), st.integers(-1, 999), st.text(max_size=40))
def test_whatever_is_said_only_a_lasting_code_ends_an_e_mail(step: Step, code: int, text: str) -> None:
    error = refusal(step, code, f"{code:03} {text}")
    assert code >= 500 or not isinstance(error, MailRefusedError)
    assert not isinstance(error, MailDoubtedError) or error.lasts is (code >= 500)


def test_a_claim_lasts_longer_than_one_sending_which_waits_as_long_as_rfc_5321_asks() -> None:
    assert CONFIRM_SECONDS >= 600
    assert MOST_SECONDS * 1000 < LEASE_MS
