"""People, their sessions and the audit log in the ledger."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from router.ledger.engine import reading, writing
from router.ledger.models import people_tables
from router.ledger.people import audit
from router.ledger.people.audit import Act, AuditEntry
from router.ledger.people.persons import PEOPLE, SESSIONS, THROTTLE, PersonRole, Right, scope_of
from router.ledger.scope import EVERYTHING, Scope
from router.pages.errors import GrantMissingError, LinkEndedError, UnknownPersonError
from router.pages.people import Attempt, Person, RoleGrant, sessions, throttle
from router.pages.people.persons import INVITED_FOR_MS
from support.audited import list_entries
from support.ledgers import START

GRANT = RoleGrant(PersonRole.OPERATOR, "LCA.02.#")


def make(ledger: Engine, name: str = "lan", *grants: RoleGrant) -> None:
    with writing(ledger) as conn:
        token = PEOPLE.invite(conn, name, grants or [GRANT], now_ms=START)
        PEOPLE.set_password(conn, token, "the hash", now_ms=START)


def log_in(ledger: Engine, now: int) -> str | None:
    with writing(ledger) as conn:
        THROTTLE.begin(conn, Attempt("lan", "10.0.0.1"), now_ms=now)
        return PEOPLE.password_of(conn, "lan")


def test_an_invitation_lets_in_once_and_only_for_a_day(ledger: Engine) -> None:
    with writing(ledger) as conn:
        first = PEOPLE.invite(conn, "lan", [GRANT], now_ms=START)
        second = PEOPLE.invite(conn, "lan", now_ms=START)
        with pytest.raises(LinkEndedError):
            PEOPLE.invited(conn, first, now_ms=START)
        with pytest.raises(LinkEndedError):
            PEOPLE.invited(conn, second, now_ms=START + INVITED_FOR_MS)
        assert PEOPLE.set_password(conn, second, "hash", now_ms=START) == Person("lan", (GRANT,))
        with pytest.raises(LinkEndedError):
            PEOPLE.set_password(conn, second, "another", now_ms=START)


def test_the_ledger_keeps_neither_the_one_time_token_nor_the_cookies(ledger: Engine) -> None:
    make(ledger)
    with writing(ledger) as conn:
        invitation = PEOPLE.invite(conn, "lan", now_ms=START)
        cookie = SESSIONS.begin(conn, "lan", now_ms=START)
        kept = f"{conn.execute(select(people_tables.person)).all()} {conn.execute(select(people_tables.session)).all()}"
    assert invitation not in kept
    assert cookie not in kept


def test_nobody_logs_in_who_is_unknown_or_has_no_password_yet(ledger: Engine) -> None:
    assert log_in(ledger, START) is None
    with writing(ledger) as conn:
        PEOPLE.invite(conn, "lan", [GRANT], now_ms=START)
    assert log_in(ledger, START) is None


def test_a_success_forgets_the_failures(ledger: Engine) -> None:
    make(ledger)
    for _ in range(4):
        log_in(ledger, START)
    with writing(ledger) as conn:
        assert PEOPLE.end_login(conn, "lan", "the hash", new_hash="better") == Person("lan", (GRANT,))
        THROTTLE.succeed(conn, Attempt("lan", "10.0.0.1"), now_ms=START)
        assert PEOPLE.end_login(conn, "lan", "the hash") is None
    for _ in range(5):
        assert log_in(ledger, START) == "better"


def test_an_invitation_ends_the_lock_of_a_name(ledger: Engine) -> None:
    make(ledger)
    with writing(ledger) as conn:
        for number in range(throttle.FREE_BY_NAME):
            THROTTLE.begin(conn, Attempt("lan", f"10.0.1.{number}"), now_ms=START)
        assert PEOPLE.list_all(conn)[0].locked_until > START
        PEOPLE.invite(conn, "lan", now_ms=START)
        assert PEOPLE.list_all(conn)[0].locked_until == 0
        THROTTLE.begin(conn, Attempt("lan", "10.0.2.1"), now_ms=START)


def test_a_session_ends_by_idleness_by_age_by_logout_by_a_new_password_and_by_revocation(ledger: Engine) -> None:
    make(ledger)
    with writing(ledger) as conn:
        cookie = SESSIONS.begin(conn, "lan", now_ms=START)
        assert SESSIONS.find(conn, cookie, now_ms=START) == (Person("lan", (GRANT,)), False)
        assert SESSIONS.find(conn, cookie, now_ms=START + 60_000) == (Person("lan", (GRANT,)), True)
        assert SESSIONS.find(conn, cookie, now_ms=START + sessions.IDLE_MS) is None
        at = START
        while (at := at + sessions.IDLE_MS // 2) < START + sessions.LONGEST_MS:
            assert SESSIONS.find(conn, cookie, now_ms=at) is not None
            SESSIONS.note_use(conn, cookie, now_ms=at)
        assert SESSIONS.find(conn, cookie, now_ms=at) is None
        cookie = SESSIONS.begin(conn, "lan", now_ms=at)
        assert conn.execute(select(people_tables.session)).all()[1:] == []  # the ended one was tidied up
        SESSIONS.end(conn, cookie)
        assert SESSIONS.find(conn, cookie, now_ms=at) is None
        cookie = SESSIONS.begin(conn, "lan", now_ms=at)
        PEOPLE.set_password(conn, PEOPLE.invite(conn, "lan", now_ms=at), "new", now_ms=at)
        assert SESSIONS.find(conn, cookie, now_ms=at) is None
        cookie = SESSIONS.begin(conn, "lan", now_ms=at)
        PEOPLE.revoke(conn, "lan", now_ms=at)
        assert SESSIONS.find(conn, cookie, now_ms=at) is None
        assert PEOPLE.password_of(conn, "lan") is None


def test_a_role_taken_back_counts_from_the_next_request_on(ledger: Engine) -> None:
    make(ledger, "lan", GRANT, RoleGrant(PersonRole.AUDITOR, "LCA.03"))
    with writing(ledger) as conn:
        cookie = SESSIONS.begin(conn, "lan", now_ms=START)
        PEOPLE.withdraw(conn, "lan", GRANT)
        found = SESSIONS.find(conn, cookie, now_ms=START)
        assert found is not None
        assert found[0].grants == (RoleGrant(PersonRole.AUDITOR, "LCA.03"),)
        with pytest.raises(GrantMissingError):
            PEOPLE.withdraw(conn, "lan", GRANT)
        with pytest.raises(UnknownPersonError):
            PEOPLE.revoke(conn, "nobody", now_ms=START)


def test_roles_give_what_they_say_on_the_units_they_are_granted_on() -> None:
    lan = Person("lan", (RoleGrant(PersonRole.VIEWER, "LCA.#"), GRANT, RoleGrant(PersonRole.AUDITOR, "LCA.03")))
    assert scope_of(lan) == Scope(units=("LCA.#", "LCA.02.#", "LCA.03"), issuers=("LCA.#", "LCA.02.#", "LCA.03"))
    assert scope_of(lan, Right.ACT).units == ("LCA.02.#",)
    assert lan.may(Right.ACT, "LCA.02.05")
    assert not lan.may(Right.ACT, "LCA.03")
    assert lan.may(Right.AUDIT, "LCA.03")
    assert scope_of(Person("nobody", ())) == Scope()


UNITS = ["", "LCA", "LCA.02", "LCA.02.05", "LCA.021", "LCB"]
PATTERN = st.builds(str.__add__, st.sampled_from(UNITS[1:]), st.sampled_from(["", ".#"]))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(patterns=st.lists(PATTERN, max_size=3))
def test_the_audit_log_shows_what_concerns_the_auditors_units_alone(ledger: Engine, patterns: list[str]) -> None:
    with ledger.connect() as conn:
        audit.record(conn, *(AuditEntry(START, "lan", Act.REDRIVEN, unit, unit) for unit in UNITS))
        auditor = Person("minh", tuple(RoleGrant(PersonRole.AUDITOR, pattern) for pattern in patterns))
        seen = {row.entry.unit for row in list_entries(conn, scope_of(auditor, Right.AUDIT))}
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
