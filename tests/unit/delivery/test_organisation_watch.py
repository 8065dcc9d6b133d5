"""The directory that the router works with follows the ledger, the calendar, and the end of tokens."""

from datetime import UTC, date, datetime

import pytest
from sqlalchemy import Engine

from router.delivery.organisation import Organisation
from router.errors import LedgerUnavailableError
from router.ledger.engine import open_engine, writing
from router.ledger.people.accounts import create_account, revoke, rotate
from router.ledger.units.unit_list import import_units
from schemas.accounts import parse_account
from schemas.unit import Unit
from support.ledgers import unit
from support.stand_ins import SetClock

HANOI = "Asia/Ho_Chi_Minh"
EVE = round(datetime(2026, 11, 30, 16, 59, 59, tzinfo=UTC).timestamp() * 1000)
"""A second before midnight in Hanoi."""
TOMORROWS = unit("LCA.NEW", valid_from=date(2026, 12, 1))
GATEWAY = "gateway:LCA.#"


class Bell:
    """Counts how often it is told of a change."""

    def __init__(self, organisation: Organisation) -> None:
        self.rung = 0
        organisation.on_change = self.ring

    def ring(self) -> None:
        self.rung += 1


def load(ledger: Engine, *units: Unit) -> None:
    with writing(ledger) as conn:
        import_units(conn, units, now_ms=EVE - 1000)


@pytest.fixture
def clock() -> SetClock:
    return SetClock(EVE)


@pytest.fixture
def organisation(ledger: Engine, clock: SetClock) -> Organisation:
    load(ledger, unit("LCA"), TOMORROWS)
    made = Organisation(ledger, HANOI, clock=clock)
    made.refresh()
    return made


async def test_nothing_is_told_while_nothing_changes(organisation: Organisation, clock: SetClock) -> None:
    bell = Bell(organisation)
    await organisation.watch()
    clock.pass_(seconds=0.5)
    await organisation.watch()
    assert bell.rung == 0


async def test_midnight_in_the_organisations_zone_is_a_change(organisation: Organisation, clock: SetClock) -> None:
    bell = Bell(organisation)
    assert organisation.today == date(2026, 11, 30)
    clock.pass_(seconds=1)
    await organisation.watch()
    assert (bell.rung, organisation.today) == (1, date(2026, 12, 1))
    clock.pass_(seconds=7 * 3600)  # midnight UTC
    await organisation.watch()
    assert bell.rung == 1, "only the organisation's own midnight counts"


async def test_a_new_unit_is_known_at_the_next_look(organisation: Organisation, ledger: Engine) -> None:
    bell = Bell(organisation)
    load(ledger, unit("LCA.07"))
    await organisation.watch()
    assert bell.rung == 1
    assert "LCA.07" in organisation.directory


async def test_a_token_made_rotated_revoked_or_expired_is_a_change(
    organisation: Organisation, ledger: Engine, clock: SetClock
) -> None:
    bell = Bell(organisation)
    with writing(ledger) as conn:
        create_account(conn, parse_account(GATEWAY), now_ms=clock.now, expires_at=clock.now + 60_000)
    await organisation.watch()
    with writing(ledger) as conn:
        rotate(conn, GATEWAY, now_ms=clock.now)
    await organisation.watch()
    assert bell.rung == 2
    clock.pass_(seconds=59)
    await organisation.watch()
    assert bell.rung == 3, "the midnight in between"
    clock.pass_(seconds=1)
    await organisation.watch()
    assert bell.rung == 4, "the token has expired"
    with writing(ledger) as conn:
        revoke(conn, GATEWAY, now_ms=clock.now)
    await organisation.watch()
    assert bell.rung == 5


async def test_a_clock_that_is_set_back_is_a_change_too(organisation: Organisation, clock: SetClock) -> None:
    bell = Bell(organisation)
    clock.pass_(seconds=-86_400)
    await organisation.watch()
    assert (bell.rung, organisation.today) == (1, date(2026, 11, 29))


async def test_a_ledger_that_does_not_answer_leaves_the_directory_as_it_was(
    organisation: Organisation, ledger: Engine, clock: SetClock
) -> None:
    bell, url = Bell(organisation), str(ledger.url)
    ledger.dispose()
    organisation._engine = open_engine(f"{url}.elsewhere/ledger.sqlite3")
    clock.pass_(seconds=1)
    with pytest.raises(LedgerUnavailableError):
        await organisation.watch()
    assert bell.rung == 0
    assert "LCA" in organisation.directory
    organisation._engine = ledger
    await organisation.watch()
    assert bell.rung == 1, "what was missed meanwhile is told at the next look"
