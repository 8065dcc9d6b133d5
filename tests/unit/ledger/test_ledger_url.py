"""Which databases may be a ledger."""

from pathlib import Path

import pytest

from router.errors import LedgerRevisionError
from router.ledger.engine import default_url, is_unavailable, open_engine, require_current, upgrade
from router.settings import RouterSettings


def test_without_a_setting_the_ledger_is_a_file_in_the_data_directory(tmp_path: Path) -> None:
    assert default_url(RouterSettings(data_dir=tmp_path)) == f"sqlite:///{tmp_path}/ledger.sqlite3"


def test_a_setting_wins_over_the_file() -> None:
    assert default_url(RouterSettings(ledger_url="postgresql://db/congvan")) == "postgresql://db/congvan"


@pytest.mark.parametrize("url", ["postgres://db/x", "postgresql://db/x", "postgresql+psycopg://db/x"])
def test_postgresql_is_reached_through_psycopg_however_it_is_spelt(url: str) -> None:
    assert open_engine(url).url.drivername == "postgresql+psycopg"


@pytest.mark.parametrize(
    "url", ["", "nonsense", "mysql://db/x", "sqlite://", "sqlite:///:memory:", "postgresql+psycopg2://db/x"]
)
def test_another_database_is_refused_with_the_two_that_may_be(url: str) -> None:
    with pytest.raises(ValueError, match=r"sqlite:///path or postgresql://host/name"):
        open_engine(url)


def test_a_refused_url_does_not_show_its_password() -> None:
    with pytest.raises(ValueError, match="no ledger") as caught:
        open_engine("mysql://user:hidden@db/x")
    assert "hidden" not in str(caught.value)


def test_looking_for_a_ledger_makes_no_file_and_an_upgrade_makes_it_with_its_directory(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/deep/er/ledger.sqlite3"
    engine = open_engine(url)
    with pytest.raises(LedgerRevisionError, match="at revision None"):
        require_current(engine)
    assert not (tmp_path / "deep").exists()
    upgrade(url)
    require_current(engine)
    engine.dispose()


def test_an_error_that_is_not_the_databases_is_no_outage() -> None:
    assert not is_unavailable(RuntimeError("ours"))
