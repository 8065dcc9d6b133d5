"""Fixtures that every test may use; what they do stands in ``tests/support``."""

import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import hypothesis
import pytest
from playwright.async_api import Browser
from sqlalchemy import Engine, make_url

from router.broker.node import NodeAddress
from router.ledger.engine import open_engine, upgrade
from support.broker import Vhost, fresh_vhost, shared_node
from support.chromium import chromium_at, running_chromium
from support.ledgers import POSTGRESQL, SQLITE, sqlite_ledger
from support.postgres import fresh_database, shared_server
from support.stories import PostgresqlStories, SqliteStories, Story

FAULTS = Path(__file__).parent / "faults"
# A shell that starts the suite in the background has it ignore Ctrl-C, and so would every process a test starts.
signal.signal(signal.SIGINT, signal.default_int_handler)
# A busy machine is no failed promise, so there is no deadline, and examples may be slow to make. The suite tries the
# same ones at every run, so that what fails has been broken by the change at hand; with
# `pytest --hypothesis-profile explore` it tries new ones.
PATIENT = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("explore", PATIENT)
hypothesis.settings.register_profile("congvan", PATIENT, derandomize=True)
hypothesis.settings.load_profile("congvan")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, and spread the faults: each takes up to a minute, and workers begin with runs of
    their own.
    """
    items.sort(key=lambda item: item.get_closest_marker("begins") is None)
    slow = [item for item in items if FAULTS in item.path.parents]
    others = [item for item in items if FAULTS not in item.path.parents]
    step = len(others) / (len(slow) or 1)
    for number, item in reversed(list(enumerate(slow))):
        others.insert(round(number * step), item)
    items[:] = others


@pytest.fixture(scope="session")
def broker_node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NodeAddress]:
    with shared_node(tmp_path_factory.mktemp("broker")) as node:
        yield node


@pytest.fixture
def vhost(broker_node: NodeAddress) -> Iterator[Vhost]:
    with fresh_vhost(broker_node) as made:
        yield made


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with shared_server() as url:
        yield url


@pytest.fixture(scope="session")
def postgres_tables(postgres_url: str) -> Iterator[str]:
    """The name of a database with the tables in it, to be copied: making them takes longer than most tests."""
    with fresh_database(postgres_url) as url:
        upgrade(url)
        yield str(make_url(url).database)


@pytest.fixture(params=[SQLITE, POSTGRESQL])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of either kind: with a ``story`` or a ``ledger``'s empty tables for tests that take one, or empty."""
    tables, told = "ledger" in request.fixturenames, "story" in request.fixturenames
    if told:
        with request.getfixturevalue(f"{request.param}_stories").copy(tmp_path / "ledger.sqlite3") as url:
            yield url
    elif request.param == POSTGRESQL:
        template = request.getfixturevalue("postgres_tables") if tables else ""
        with fresh_database(request.getfixturevalue("postgres_url"), template) as url:
            yield url
    else:
        file = tmp_path / "ledger.sqlite3"
        yield sqlite_ledger(file) if tables else f"sqlite:///{file}"


@pytest.fixture(scope="session")
def sqlite_stories() -> SqliteStories:
    return SqliteStories()


@pytest.fixture(scope="session")
def postgresql_stories(postgres_url: str, postgres_tables: str) -> Iterator[PostgresqlStories]:
    made = PostgresqlStories(postgres_url, postgres_tables)
    yield made
    made.close()


@pytest.fixture
def story(ledger_url: str, request: pytest.FixtureRequest) -> Story:
    """What has happened in the ledger that a test gets."""
    kind = make_url(ledger_url).get_backend_name()
    stories: SqliteStories | PostgresqlStories = request.getfixturevalue(f"{kind}_stories")
    return stories.latest


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Engine]:
    """A ledger on either kind of database, nothing in its tables, or a ``story``."""
    engine = open_engine(ledger_url)
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def chromium_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_chromium(tmp_path_factory.mktemp("chromium")) as place:
        yield place


@pytest.fixture
async def chromium(chromium_place: str) -> AsyncIterator[Browser]:
    async with chromium_at(chromium_place) as browser:
        yield browser
