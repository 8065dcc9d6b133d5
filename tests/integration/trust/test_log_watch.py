"""A gateway and the centre's log: what only grows is believed, another history is an alarm that stays and is told."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest
from aiohttp import ClientSession
from nacl.signing import SigningKey
from sqlalchemy import delete, update
from structlog.testing import capture_logs

from consumers.line.state import Line
from consumers.reporting.health import health_of
from consumers.spool import Writer as SpoolWriter
from consumers.spool import log_seen, open_spool
from consumers.taking.room import Room
from consumers.trust.log_watch import PROVED_EVERY_MS, LogWatch
from router.ledger.engine import writing
from router.ledger.log import appending
from router.ledger.log.entries import forgotten
from router.ledger.models import log_checkpoint, log_entry, log_head
from router.ledger.writer import Writer
from router.trust.checkpointer import Checkpointer
from router.trust.log_key import name_of
from schemas.events import Event
from schemas.ids import new_id
from schemas.reasons import ReasonCode
from support.api_server import GATEWAY, Api
from support.commands import Congvan
from support.conditions import holds
from support.stand_ins import StandInSession

KEY = SigningKey(b"k" * 32)
OTHER = SigningKey(b"o" * 32)


class Up(StandInSession):
    """A line that is up."""

    async def up_anew(self, timeout: float, /) -> None:  # noqa: ASYNC109 - as the session has it
        del timeout


@dataclass(slots=True)
class Watched:
    """A gateway's watch over a router's API, its spool, and its clock."""

    api: Api
    watch: LogWatch
    directory: Path
    http: ClientSession
    now: int = 1_795_000_000_000

    async def grow(self, count: int, key: SigningKey = KEY) -> None:
        """The centre records more and signs it."""
        with writing(self.api.engine) as conn:
            for _ in range(count):
                appending.note(conn, forgotten([new_id()]))
        writer = Writer(self.api.engine)
        await Checkpointer(self.api.engine, writer, key).look()
        writer.close()

    async def look_next_day(self) -> None:
        self.now += PROVED_EVERY_MS
        await self.watch.look()

    def hurt(self, *changes: object) -> None:
        with writing(self.api.engine) as conn:
            conn.execute(delete(log_checkpoint))
            for change in changes:
                conn.execute(change)  # type: ignore[call-overload]


@pytest.fixture
async def watched(api: Api, tmp_path: Path) -> AsyncIterator[Watched]:
    spool = open_spool(tmp_path / "gateway")
    writer = SpoolWriter(spool)
    async with ClientSession(headers=api.as_(GATEWAY)) as http:
        made = Watched(api, None, tmp_path / "gateway", http)  # type: ignore[arg-type] # the next line
        made.watch = LogWatch(
            spool,
            writer,
            http,
            Up(),
            origin_url=api.url,
            clock=lambda: made.now,
        )
        yield made
    writer.close()
    spool.close()


def seen(watched: Watched) -> log_seen.LogSeen:
    with open_spool(watched.directory).reading() as conn:
        found = log_seen.read(conn)
    assert found is not None
    return found


async def test_a_log_that_grows_is_believed_and_proved_once_a_day(watched: Watched) -> None:
    await watched.watch.look()
    assert watched.watch.seen is None, "there is no checkpoint yet"
    await watched.grow(3)
    await watched.watch.look()
    first = seen(watched)
    assert (first.key, first.size, first.proved_size, first.alarm) == (str(name_of(KEY)), 3, 3, "")
    await watched.grow(300)
    await watched.watch.look()
    assert (seen(watched).size, seen(watched).proved_size) == (303, 3)
    await watched.grow(1)
    await watched.look_next_day()
    assert (seen(watched).size, seen(watched).proved_size) == (304, 304)
    assert seen(watched).alarm == ""


async def test_a_shorter_log_is_an_alarm_that_stays_and_is_told_in_the_hello(watched: Watched) -> None:
    await watched.grow(5)
    await watched.watch.look()
    watched.hurt(delete(log_entry).where(log_entry.c.number >= 2), update(log_head).values(size=2))
    await watched.grow(1)
    with capture_logs() as logs:
        await watched.watch.look()
        await watched.watch.look()
    assert [item["event"] for item in logs if item["log_level"] == "error"] == [Event.LOG_ALARM]
    await watched.grow(10)
    await watched.watch.look()
    told = seen(watched)
    assert told.alarm == "it has 3 entries, and had 5 before"
    room, line = cast("Room", NoTrouble()), cast("Line", NoTrouble())
    (trouble,) = health_of([], room, line, now_ms=watched.now, alarm=watched.watch.alarm).troubles
    assert (trouble.known, trouble.why) == (ReasonCode.LOG_DIFFERS, told.alarm)


class NoTrouble:
    """A disk with room, a line that flows."""

    reason, since, stalled_since = "", 0, 0

    def free(self) -> int:
        return 1


async def test_another_history_of_the_same_length_is_an_alarm(watched: Watched) -> None:
    await watched.grow(5)
    await watched.watch.look()
    watched.hurt(update(log_entry).where(log_entry.c.number == 1).values(leaf_hash=b"f" * 32))
    await watched.grow(0)
    await watched.watch.look()
    assert seen(watched).alarm == "its first 5 entries are others than before"


async def test_another_history_that_is_longer_is_found_by_the_proof_of_the_next_day(watched: Watched) -> None:
    await watched.grow(5)
    await watched.watch.look()
    watched.hurt(update(log_entry).where(log_entry.c.number == 1).values(leaf_hash=b"f" * 32))
    await watched.grow(4)
    await watched.watch.look()
    assert seen(watched).alarm == ""
    await watched.look_next_day()
    assert seen(watched).alarm == "it does not go on from the 5 entries that it had"


async def test_a_log_of_another_key_is_an_alarm(watched: Watched) -> None:
    await watched.grow(5)
    await watched.watch.look()
    watched.hurt(update(log_head).values(key=""))
    await watched.grow(1, OTHER)
    await watched.watch.look()
    assert seen(watched).alarm == f"it is signed by another key: {name_of(OTHER)}"


async def test_what_is_no_log_is_none_and_changes_nothing(watched: Watched) -> None:
    await watched.grow(5)
    await watched.watch.look()
    with writing(watched.api.engine) as conn:
        conn.execute(update(log_checkpoint).values(note="<html>Please log in to the hotel's network</html>"))
    with capture_logs() as logs:
        await watched.watch.look()
    assert [item["event"] for item in logs if item["log_level"] == "warning"] == [Event.LOG_UNSEEN]
    assert (seen(watched).size, seen(watched).alarm) == (5, "")


async def test_a_page_in_the_place_of_a_proof_is_no_alarm_and_the_proof_is_asked_for_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    await watched.grow(5)
    await watched.watch.look()
    await watched.grow(4)
    with monkeypatch.context() as portal:
        portal.setattr("router.api.log.b64encode", lambda _hash: b"<html>")
        await watched.look_next_day()
    assert (seen(watched).size, seen(watched).proved_size, seen(watched).alarm) == (9, 5, "")
    await watched.watch.look()
    assert (seen(watched).proved_size, seen(watched).alarm) == (9, "")


async def test_it_looks_by_itself_while_it_runs(watched: Watched) -> None:
    await watched.grow(5)
    running = asyncio.create_task(watched.watch.run())
    await holds(lambda: watched.watch.seen is not None and watched.watch.seen.size == 5, what="it has looked")
    running.cancel()


async def test_it_goes_on_after_a_restart_from_what_was_kept(watched: Watched) -> None:
    await watched.grow(5)
    await watched.watch.look()
    spool = open_spool(watched.directory)
    writer = SpoolWriter(spool)
    again = LogWatch(
        spool,
        writer,
        watched.http,
        Up(),
        origin_url=watched.api.url,
        clock=lambda: watched.now,
    )
    await again.look()
    assert again.seen == replace(seen(watched))
    with spool.writing() as conn:
        log_seen.forget(conn)
    await again.look()
    assert again.seen is not None
    writer.close()
    spool.close()


async def test_a_person_sees_the_alarm_and_ends_it_when_the_centre_has_explained_it(
    watched: Watched, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = Congvan(monkeypatch, capsys, "gateway")
    arguments = ("log", "--data-dir", str(watched.directory))
    assert "nothing was seen" in command(*arguments).out
    await watched.grow(5)
    await watched.watch.look()
    capsys.readouterr()
    assert (command(*arguments).code, str(name_of(KEY)) in command(*arguments).out) == (0, True)
    watched.hurt(delete(log_entry).where(log_entry.c.number >= 2), update(log_head).values(size=2))
    await watched.grow(1)
    await watched.watch.look()
    capsys.readouterr()
    alarmed = command(*arguments)
    assert (alarmed.code, "it has 3 entries, and had 5 before" in alarmed.out) == (4, True)
    (told,) = command(*arguments, "--json").objects
    assert told["alarm"] == "it has 3 entries, and had 5 before"
    assert command(*arguments, "--accept").code == 0
    await watched.watch.look()
    capsys.readouterr()
    assert "3 entries" in command(*arguments).out
