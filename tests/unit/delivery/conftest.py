"""A ledger, its writer, and a clock that the test sets."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from router.delivery.recorder import Recorder
from router.ledger.engine import open_engine
from router.ledger.writer import Writer
from router.rules.schedule import Silence
from support.ledgers import sqlite_ledger
from support.stand_ins import SetClock, StandInPublisher, StandInSession, impatient


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Engine]:
    engine = impatient(open_engine(sqlite_ledger(tmp_path / "ledger.sqlite3")))
    yield engine
    engine.dispose()


@pytest.fixture
def writer(ledger: Engine) -> Iterator[Writer]:
    made = Writer(ledger, linger=0.001)
    yield made
    made.close()


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def publisher() -> StandInPublisher:
    return StandInPublisher()


@pytest.fixture
def session() -> StandInSession:
    return StandInSession()


@pytest.fixture
def steady() -> asyncio.Event:
    made = asyncio.Event()
    made.set()
    return made


@pytest.fixture
def recorder(writer: Writer, publisher: StandInPublisher) -> Recorder:
    return Recorder(writer=writer, publisher=publisher, silence=Silence())  # type: ignore[arg-type]
