"""Who guesses passwords is slowed down, and nobody else; and nothing tells which names there are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, func, select

from router.ledger.engine import writing
from router.ledger.models import people_tables
from router.ledger.people.persons import PEOPLE, THROTTLE
from router.pages.errors import LockedOutError
from router.pages.people import Attempt, throttle
from support.ledgers import START

HERE = "10.0.0.1"


def lock(conn: Connection, attempt: Attempt, now: int = START) -> int:
    """Seconds that an attempt is told to wait; 0: it is looked at."""
    try:
        THROTTLE.begin(conn, attempt, now_ms=now)
    except LockedOutError as error:
        return error.seconds
    return 0


@pytest.mark.parametrize("name", ["lan", "nobody"])
def test_the_fifth_failure_at_an_address_locks_and_each_further_one_for_twice_as_long(
    ledger: Engine, name: str
) -> None:
    with writing(ledger) as conn:
        PEOPLE.invite(conn, "lan", now_ms=START)
        attempt = Attempt(name, HERE)
        assert [lock(conn, attempt) for _ in range(6)] == [0, 0, 0, 0, 0, 30]
        assert lock(conn, attempt, START + 30_000) == 0
        assert lock(conn, attempt, START + 30_000) == 60


def test_a_lock_at_one_address_is_none_at_another(ledger: Engine) -> None:
    with writing(ledger) as conn:
        for _ in range(6):
            lock(conn, Attempt("lan", HERE))
        assert lock(conn, Attempt("lan", HERE)) > 0
        assert lock(conn, Attempt("lan", "10.0.0.2")) == 0


def test_an_address_that_tries_many_names_is_locked_for_all(ledger: Engine) -> None:
    with writing(ledger) as conn:
        for number in range(throttle.FREE_BY_ADDRESS):
            assert lock(conn, Attempt(f"name{number}", HERE)) == 0
        assert lock(conn, Attempt("another", HERE)) == 30


def test_a_known_browser_passes_a_lock_by_name_and_by_address_and_has_a_count_of_its_own(ledger: Engine) -> None:
    with writing(ledger) as conn:
        PEOPLE.invite(conn, "lan", now_ms=START)
        device = THROTTLE.remember_device(conn, "lan", now_ms=START)
        for number in range(throttle.FREE_BY_NAME):
            lock(conn, Attempt("lan", f"10.0.1.{number}"))
        for number in range(throttle.FREE_BY_ADDRESS):
            lock(conn, Attempt(f"name{number}", HERE))
        assert lock(conn, Attempt("lan", "10.9.9.9")) > 0
        assert lock(conn, Attempt("lan", HERE, "another device")) > 0
        assert [lock(conn, Attempt("lan", HERE, device)) for _ in range(6)] == [0, 0, 0, 0, 0, 30]
        assert not THROTTLE.knows_device(conn, "nobody", device, now_ms=START)
        assert not THROTTLE.knows_device(conn, "lan", device, now_ms=START + 181 * 86_400_000)


def test_a_person_has_so_many_browsers_and_a_new_password_forgets_them(ledger: Engine) -> None:
    with writing(ledger) as conn:
        invitation = PEOPLE.invite(conn, "lan", now_ms=START)
        devices = [THROTTLE.remember_device(conn, "lan", now_ms=START + number) for number in range(12)]
        known = [THROTTLE.knows_device(conn, "lan", device, now_ms=START) for device in devices]
        assert known == [False] * 2 + [True] * throttle.MAX_DEVICES
        PEOPLE.set_password(conn, invitation, "hash", now_ms=START)
        assert not any(THROTTLE.knows_device(conn, "lan", device, now_ms=START) for device in devices)


def test_what_is_a_day_old_is_forgotten(ledger: Engine) -> None:
    with writing(ledger) as conn:
        for number in range(40):
            lock(conn, Attempt(f"name{number}", f"10.0.{number}.1"))
        later = START + throttle.FORGOTTEN_AFTER_MS + 1
        assert lock(conn, Attempt("lan", HERE), later) == 0
        assert conn.scalar(select(func.count()).select_from(people_tables.attempt)) == 3


@given(st.integers(0, 10_000), st.integers(1, 100))
def test_a_lock_never_grows_shorter_nor_beyond_an_hour(failures: int, free: int) -> None:
    assert throttle.lock_of(failures, free) <= throttle.lock_of(failures + 1, free) <= throttle.LONGEST_LOCK_MS
