"""What machines' reasons mean is read alike by a value and by a column."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Column, MetaData, String, Table, create_engine, insert, select

from router.ledger.reasons import MARKS, Cause, cause_column, cause_of, is_cause, told_apart

_WORDS = st.sampled_from(
    [*(mark for marks in MARKS.values() for mark in marks), "the unit", "/srv/inbox", "ổ đĩa", "%_"]
)
_TABLE = Table("told", MetaData(), Column("reason", String))


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("HTTP 507: the disk of the unit's system is full", Cause.DISK_FULL),
        ("/srv/inbox/LCA.02: [Errno 28] No space left on device", Cause.DISK_FULL),
        ("/srv/inbox/LCA.02: [Errno 13] Permission denied", Cause.NOT_WRITABLE),
        ("http://unit/documents did not answer within 60 s", Cause.UNREACHABLE),
        ("http://unit/documents cannot be reached: Connect call failed", Cause.UNREACHABLE),
        ("HTTP 401", Cause.LOGIN),
        ("HTTP 302: redirects are not followed; set webhook_url to the final address", Cause.REDIRECTED),
        ("HTTP 422: no such unit", Cause.REFUSED),
        ("HTTP 500", Cause.SYSTEM_ERROR),
        ("had not arrived 30 days after its acceptance", Cause.EXPIRED),
        ("không thuộc thẩm quyền", Cause.OTHER),
        ("", Cause.OTHER),
    ],
)
def test_todays_texts_have_their_cause(reason: str, cause: Cause) -> None:
    assert cause_of(reason) is cause


@given(reasons=st.lists(st.lists(_WORDS, max_size=3).map(" ".join), min_size=1, max_size=20))
def test_a_column_and_a_value_mean_the_same(reasons: list[str]) -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as conn:
        _TABLE.create(conn)
        conn.execute(insert(_TABLE), [{"reason": reason} for reason in reasons])
        column = _TABLE.c.reason
        for reason, cause, told in conn.execute(select(column, cause_column(column), told_apart(column))):
            assert cause == cause_of(reason).value
            assert told == (reason if cause_of(reason) is Cause.OTHER else "")
        for cause in Cause:
            found = conn.scalars(select(column).where(is_cause(column, cause))).all()
            assert sorted(found) == sorted(reason for reason in reasons if cause_of(reason) is cause)
    engine.dispose()
