"""People, their sessions and the audit log in the ledger."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from router.errors import NotFoundError, RefusedError
from router.ledger.engine import reading, writing
from router.ledger.models import person, web_session
from router.ledger.people import audit, login_throttle, persons, sessions
from router.ledger.people.audit import Act, AuditEntry
from router.ledger.people.login_throttle import Attempt
from router.ledger.people.persons import Person, PersonRole, Right, RoleGrant
from router.ledger.scope import EVERYTHING, Scope
from support.audited import list_entries
from support.ledgers import START

GRANT = RoleGrant(PersonRole.OPERATOR, "LCA.02.#")


def make(ledger: Engine, name: str = "lan", *grants: RoleGrant) -> None:
    with writing(ledger) as conn:
        token = persons.invite(conn, name, grants or [GRANT], now_ms=START)
        persons.set_password(conn, token, "the hash", now_ms=START)


def log_in(ledger: Engine, now: int) -> str | None:
    with writing(ledger) as conn:
        login_throttle.begin(conn, Attempt("lan", "10.0.0.1"), now_ms=now)
        return persons.password_of(conn, "lan")


def test_an_invitation_lets_in_once_and_only_for_a_day(ledger: Engine) -> None:
    with writing(ledger) as conn:
        first = persons.invite(conn, "lan", [GRANT], now_ms=START)
        second = persons.invite(conn, "lan", now_ms=START)
        with pytest.raises(NotFoundError):
            persons.invited(conn, first, now_ms=START)
        with pytest.raises(NotFoundError):
            persons.invited(conn, second, now_ms=START + persons.INVITED_FOR_MS)
        assert persons.set_password(conn, second, "hash", now_ms=START) == Person("lan", (GRANT,))
        with pytest.raises(NotFoundError):
            persons.set_password(conn, second, "another", now_ms=START)


def test_the_ledger_keeps_neither_the_one_time_token_nor_the_cookies(ledger: Engine) -> None:
    make(ledger)
    with writing(ledger) as conn:
        invitation = persons.invite(conn, "lan", now_ms=START)
        cookie = sessions.open_session(conn, "lan", now_ms=START)
        kept = f"{conn.execute(select(person)).all()} {conn.execute(select(web_session)).all()}"
    assert invitation not in kept
    assert cookie not in kept


def test_nobody_logs_in_who_is_unknown_or_has_no_password_yet(ledger: Engine) -> None:
    assert log_in(ledger, START) is None
    with writing(ledger) as conn:
        persons.invite(conn, "lan", [GRANT], now_ms=START)
    assert log_in(ledger, START) is None


def test_a_success_forgets_the_failures(ledger: Engine) -> None:
    make(ledger)
    for _ in range(4):
        log_in(ledger, START)
    with writing(ledger) as conn:
        assert persons.end_login(conn, "lan", "the hash", new_hash="better") == Person("lan", (GRANT,))
        login_throttle.succeed(conn, Attempt("lan", "10.0.0.1"), now_ms=START)
        assert persons.end_login(conn, "lan", "the hash") is None
    for _ in range(5):
        assert log_in(ledger, START) == "better"


def test_an_invitation_ends_the_lock_of_a_name(ledger: Engine) -> None:
    make(ledger)
    with writing(ledger) as conn:
        for number in range(login_throttle.FREE_BY_NAME):
            login_throttle.begin(conn, Attempt("lan", f"10.0.1.{number}"), now_ms=START)
        assert persons.list_people(conn)[0].locked_until > START
        persons.invite(conn, "lan", now_ms=START)
        assert persons.list_people(conn)[0].locked_until == 0
        login_throttle.begin(conn, Attempt("lan", "10.0.2.1"), now_ms=START)


def test_a_session_ends_by_idleness_by_age_by_logout_by_a_new_password_and_by_revocation(ledger: Engine) -> None:
    make(ledger)
    with writing(ledger) as conn:
        cookie = sessions.open_session(conn, "lan", now_ms=START)
        assert sessions.find_session(conn, cookie, now_ms=START) == (Person("lan", (GRANT,)), False)
        assert sessions.find_session(conn, cookie, now_ms=START + 60_000) == (Person("lan", (GRANT,)), True)
        assert sessions.find_session(conn, cookie, now_ms=START + sessions.IDLE_MS) is None
        at = START
        while (at := at + sessions.IDLE_MS // 2) < START + sessions.LONGEST_MS:
            assert sessions.find_session(conn, cookie, now_ms=at) is not None
            sessions.note_use(conn, cookie, now_ms=at)
        assert sessions.find_session(conn, cookie, now_ms=at) is None
        cookie = sessions.open_session(conn, "lan", now_ms=at)
        assert conn.execute(select(web_session)).all()[1:] == []  # the ended one was tidied up
        sessions.close_session(conn, cookie)
        assert sessions.find_session(conn, cookie, now_ms=at) is None
        cookie = sessions.open_session(conn, "lan", now_ms=at)
        persons.set_password(conn, persons.invite(conn, "lan", now_ms=at), "new", now_ms=at)
        assert sessions.find_session(conn, cookie, now_ms=at) is None
        cookie = sessions.open_session(conn, "lan", now_ms=at)
        persons.revoke(conn, "lan", now_ms=at)
        assert sessions.find_session(conn, cookie, now_ms=at) is None
        assert persons.password_of(conn, "lan") is None


def test_a_role_taken_back_counts_from_the_next_request_on(ledger: Engine) -> None:
    make(ledger, "lan", GRANT, RoleGrant(PersonRole.AUDITOR, "LCA.03"))
    with writing(ledger) as conn:
        cookie = sessions.open_session(conn, "lan", now_ms=START)
        persons.withdraw(conn, "lan", GRANT)
        found = sessions.find_session(conn, cookie, now_ms=START)
        assert found is not None
        assert found[0].grants == (RoleGrant(PersonRole.AUDITOR, "LCA.03"),)
        with pytest.raises(RefusedError):
            persons.withdraw(conn, "lan", GRANT)
        with pytest.raises(NotFoundError):
            persons.revoke(conn, "nobody", now_ms=START)


def test_roles_give_what_they_say_on_the_units_they_are_granted_on() -> None:
    lan = Person("lan", (RoleGrant(PersonRole.VIEWER, "LCA.#"), GRANT, RoleGrant(PersonRole.AUDITOR, "LCA.03")))
    assert lan.scope() == Scope(units=("LCA.#", "LCA.02.#", "LCA.03"), issuers=("LCA.#", "LCA.02.#", "LCA.03"))
    assert lan.scope(Right.ACT).units == ("LCA.02.#",)
    assert lan.may(Right.ACT, "LCA.02.05")
    assert not lan.may(Right.ACT, "LCA.03")
    assert lan.may(Right.AUDIT, "LCA.03")
    assert Person("nobody", ()).scope() == Scope()


UNITS = ["", "LCA", "LCA.02", "LCA.02.05", "LCA.021", "LCB"]
PATTERN = st.builds(str.__add__, st.sampled_from(UNITS[1:]), st.sampled_from(["", ".#"]))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(patterns=st.lists(PATTERN, max_size=3))
def test_the_audit_log_shows_what_concerns_the_auditors_units_alone(ledger: Engine, patterns: list[str]) -> None:
    with ledger.connect() as conn:
        audit.record(conn, *(AuditEntry(START, "lan", Act.REDRIVEN, unit, unit) for unit in UNITS))
        auditor = Person("minh", tuple(RoleGrant(PersonRole.AUDITOR, pattern) for pattern in patterns))
        seen = {row.entry.unit for row in list_entries(conn, auditor.scope(Right.AUDIT))}
        conn.rollback()
    whole = bool({"LCA.#", "LCB.#"} & set(patterns))
    assert seen == {unit for unit in UNITS if (auditor.may(Right.AUDIT, unit) if unit else whole)}


def test_the_audit_log_is_read_page_by_page_and_by_person_and_act(ledger: Engine) -> None:
    with writing(ledger) as conn:
        for number in range(5):
            audit.record(conn, AuditEntry(START + number, "lan" if number % 2 else "minh", Act.LOGGED_IN, "x" * 300))
    with reading(ledger) as conn:
        first = list_entries(conn, EVERYTHING, limit=3)
        rest = list_entries(conn, EVERYTHING, before=first[-1].pos)
        assert [row.entry.at - START for row in first + rest] == [4, 3, 2, 1, 0]
        assert len(list_entries(conn, EVERYTHING, person="lan")) == 2
        assert list_entries(conn, EVERYTHING, act=Act.REVOKED) == []
        assert len(first[0].entry.subject) == 200
