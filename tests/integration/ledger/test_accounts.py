"""Accounts: made once, known by their token, ended for good."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine

from router.errors import AccountExistsError, NotFoundError, RefusedError
from router.ledger.engine import reading, writing
from router.ledger.people.accounts import authenticate, create_account, find_account, list_accounts, revoke, rotate
from router.ledger.people.tokens import matches
from schemas.accounts import Account, Role, parse_account
from support.ledgers import START

ISSUER = Account(Role.ISSUER, "LCA.VP", "erp")
DAY = 86_400_000


def create(ledger: Engine, account: Account = ISSUER, *, now: int = START, expires_at: int | None = None) -> str:
    with writing(ledger) as conn:
        return create_account(conn, account, now_ms=now, expires_at=expires_at)


def ask(ledger: Engine, token: str, *, now: int = START) -> Account | None:
    with reading(ledger) as conn:
        return authenticate(conn, token, now_ms=now)


def test_a_token_names_its_account(ledger: Engine) -> None:
    assert ask(ledger, create(ledger)) == ISSUER


def test_the_tokens_text_is_not_kept(ledger: Engine) -> None:
    token = create(ledger)
    with reading(ledger) as conn:
        row = find_account(conn, ISSUER.name)
    assert matches(token, row.token_hash)
    assert token.rpartition(".")[2] not in repr(row)


@pytest.mark.parametrize("spoilt", ["", "cv1", "nobody", "cv1." + "a" * 12 + "." + "b" * 43])
def test_what_was_never_given_out_is_nobodys(ledger: Engine, spoilt: str) -> None:
    create(ledger)
    assert ask(ledger, spoilt) is None


def test_the_right_key_with_another_secret_is_nobodys(ledger: Engine) -> None:
    version, key, _ = create(ledger).split(".")
    assert ask(ledger, f"{version}.{key}.{'A' * 43}") is None


def test_a_token_ends_at_its_time(ledger: Engine) -> None:
    token = create(ledger, expires_at=START + DAY)
    assert ask(ledger, token, now=START + DAY - 1) == ISSUER
    assert ask(ledger, token, now=START + DAY) is None


def test_a_revoked_token_is_nobodys_and_stays_listed(ledger: Engine) -> None:
    token = create(ledger)
    with writing(ledger) as conn:
        assert revoke(conn, ISSUER.name, now_ms=START + 1).revoked_at == START + 1
        assert revoke(conn, ISSUER.name, now_ms=START + 2).revoked_at == START + 1
    assert ask(ledger, token) is None
    with reading(ledger) as conn:
        assert [row.is_valid(START) for row in list_accounts(conn)] == [False]


def test_an_account_in_use_is_not_made_twice(ledger: Engine) -> None:
    token = create(ledger)
    with pytest.raises(AccountExistsError, match=ISSUER.name):
        create(ledger)
    assert ask(ledger, token) == ISSUER


def test_of_many_who_make_the_same_account_one_does(ledger: Engine) -> None:
    def attempt(_: int) -> bool:
        try:
            create(ledger)
        except AccountExistsError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_an_account_that_has_ended_can_be_made_anew_and_the_old_token_stays_dead(ledger: Engine) -> None:
    old = create(ledger, expires_at=START + DAY)
    new = create(ledger, now=START + DAY)
    assert ask(ledger, old, now=START + DAY) is None
    assert ask(ledger, new, now=START + 100 * DAY) == ISSUER
    with writing(ledger) as conn:
        revoke(conn, ISSUER.name, now_ms=START + DAY)
    assert ask(ledger, create(ledger, now=START + 2 * DAY), now=START + 3 * DAY) == ISSUER


def test_another_token_replaces_the_one_before_and_keeps_its_end(ledger: Engine) -> None:
    old = create(ledger, expires_at=START + DAY)
    with writing(ledger) as conn:
        new = rotate(conn, ISSUER.name, now_ms=START)
    assert ask(ledger, old) is None
    assert ask(ledger, new) == ISSUER
    assert ask(ledger, new, now=START + DAY) is None


def test_an_expired_account_gets_another_token_only_with_another_end(ledger: Engine) -> None:
    create(ledger, expires_at=START + DAY)
    now = START + 2 * DAY
    with writing(ledger) as conn:
        with pytest.raises(RefusedError, match="has ended"):
            rotate(conn, ISSUER.name, now_ms=now)
        token = rotate(conn, ISSUER.name, now_ms=now, expires_at=now + DAY)
    assert ask(ledger, token, now=now) == ISSUER


def test_a_revoked_account_gets_no_other_token(ledger: Engine) -> None:
    create(ledger)
    with writing(ledger) as conn:
        revoke(conn, ISSUER.name, now_ms=START)
        with pytest.raises(RefusedError, match="has ended"):
            rotate(conn, ISSUER.name, now_ms=START, expires_at=START + DAY)


def test_acting_on_an_unknown_account_names_it(ledger: Engine) -> None:
    with writing(ledger) as conn:
        for act in (rotate, revoke):
            with pytest.raises(NotFoundError, match="issuer:LCA"):
                act(conn, "issuer:LCA", now_ms=START)


def test_accounts_are_listed_by_name_as_they_were_made(ledger: Engine) -> None:
    names = ["operator:LCA.#", "gateway:LCA.02.#", "issuer:LCA.VP", "issuer:LCA.VP:erp"]
    for name in names:
        create(ledger, parse_account(name), expires_at=START + DAY)
    with reading(ledger) as conn:
        rows = list_accounts(conn)
    assert [row.name for row in rows] == sorted(names)
    assert {(row.created_at, row.expires_at, row.revoked_at) for row in rows} == {(START, START + DAY, None)}


def test_every_change_is_later_than_the_one_before_even_within_a_millisecond(ledger: Engine) -> None:
    changes = []
    for name in ("issuer:LCA.01", "issuer:LCA.02"):
        create(ledger, parse_account(name))
        with reading(ledger) as conn:
            changes.append(conn.exec_driver_sql("SELECT max(changed_at) FROM account").scalar_one())
    with writing(ledger) as conn:
        revoke(conn, "issuer:LCA.01", now_ms=START)
        changes.append(conn.exec_driver_sql("SELECT max(changed_at) FROM account").scalar_one())
    assert changes == sorted(set(changes))
