"""A gateway that must take nothing now: another works for its unit, or its disk is full. It costs the line nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from consumers.cli.standing import show_standing
from consumers.errors import SecondGatewayError
from consumers.reading.inbox import list_inbox
from consumers.spool import open_spool
from consumers.status import status_path
from consumers.taking import room
from rig.proxy import Proxy
from support.broker import Vhost
from support.conditions import holds
from support.content_server import content_server
from support.deliveries import a_descriptor
from support.gateways import Origin, origin_on, running, settings_for
from support.sessions import depth
from support.small_disk import small_disk

UNIT = "LCA.02.05"
QUEUE = f"unit.{UNIT}.normal"


@pytest.fixture
async def origin(vhost: Vhost) -> AsyncIterator[Origin]:
    async with content_server() as content, origin_on(vhost, content) as made:
        yield made


async def test_a_new_gateway_takes_nothing_for_a_unit_that_another_works_for_and_takes_over_when_it_may(
    origin: Origin, tmp_path: Path
) -> None:
    origin.content.elsewhere[""] = UNIT
    async with running(settings_for(origin, tmp_path, sink="none", units_refresh=0.1)):
        (here,) = await origin.send(a_descriptor(), "LCA.02.06")
        (there,) = await origin.send(a_descriptor(), UNIT)
        await holds(lambda: here in origin.said("arrived"))
        asked = len(origin.content.spools)
        await holds(lambda: len(origin.content.spools) > asked + 2)
        assert depth(origin.vhost, QUEUE) == 1
        assert there not in origin.said()
        await holds(lambda: orjson.loads(status_path(tmp_path).read_bytes())["held_elsewhere"] == [UNIT])
        with pytest.raises(SecondGatewayError, match=UNIT):
            show_standing(tmp_path, as_json=True)
        full = [hello for hello in origin.of_type("hello") if not hello.get("again")]
        origin.content.elsewhere.clear()
        await holds(lambda: there in origin.said("arrived"))
        await holds(lambda: len([hello for hello in origin.of_type("hello") if not hello.get("again")]) > len(full))
        assert UNIT in origin.of_type("hello")[-1]["units"], "the router learns for which units it works"


async def test_two_gateways_of_one_unit_hand_over_each_document_once(origin: Origin, tmp_path: Path) -> None:
    first = settings_for(origin, tmp_path / "first", units_refresh=0.1, units="LCA.02.#")
    async with running(first):
        await holds(lambda: bool(origin.of_type("hello")))
        origin.content.elsewhere |= {origin.of_type("hello")[0]["spool_id"]: "", "": "*"}
        async with running(settings_for(origin, tmp_path / "second", units_refresh=0.1)):
            await holds(lambda: len({hello["spool_id"] for hello in origin.of_type("hello")}) == 2)
            sent = [(await origin.send(a_descriptor(), UNIT))[0] for _ in range(20)]
            await holds(lambda: set(sent) <= set(origin.said("arrived")))
    assert len(list((tmp_path / "first" / "inbox" / UNIT).glob("20*"))) == len(sent)
    spool = open_spool(tmp_path / "second")
    assert list_inbox(spool) == []
    spool.close()


async def test_a_gateway_that_learns_of_another_later_leaves_what_it_has_taken_alone(
    origin: Origin, tmp_path: Path
) -> None:
    origin.content.put(b"scan")
    program = tmp_path / "sink.sh"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    settings = settings_for(origin, tmp_path / "data", sink="command", command=(str(program),), units_refresh=0.1)
    async with running(settings):
        (key,) = await origin.send(a_descriptor(), UNIT)
        await holds(lambda: key in origin.said("taken"))
        origin.content.elsewhere[""] = "*"
        program.write_text(f"#!/bin/sh\ntouch {tmp_path}/handed\n")
        await holds(lambda: bool(orjson.loads(status_path(tmp_path / "data").read_bytes())["held_elsewhere"]))
        assert key not in origin.said("parked")
        handed = (tmp_path / "handed").exists()
        assert handed == (key in origin.said("arrived"))


async def test_a_full_disk_costs_no_bytes_on_the_line_and_all_comes_when_there_is_room(
    origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "LOOK_EVERY", 0.2)
    with small_disk(tmp_path, size=24 * 1024**2) as disk:
        async with (
            Proxy(origin.vhost.amqp_url) as proxy,
            running(
                settings_for(
                    origin,
                    disk / "data",
                    sink="none",
                    amqp_url=proxy.url,
                    disk_reserve_bytes=4 * 1024**2,
                    presence_interval=5,
                    units="LCA.02.#",
                )
            ),
        ):
            await holds(lambda: bool(origin.of_type("hello")))
            (disk / "filler").write_bytes(b"x" * 21 * 1024**2)
            letters = [a_descriptor(subject="x" * 400) for _ in range(50)]
            sent = [(await origin.send(letter, UNIT))[0] for letter in letters]
            await holds(lambda: depth(origin.vhost, QUEUE) == len(sent), what="all are back in the queue")
            before, hellos = proxy.carried, len(origin.of_type("hello"))
            await holds(lambda: len(origin.of_type("hello")) >= hellos + 2)
            carried = proxy.carried - before
            assert carried < 50 * 400 / 4, f"{carried} bytes: hellos, and none of the documents"
            told = [message for message in origin.messages if message.type == "hello" and "health" in message.headers]
            assert orjson.loads(told[-1].headers["health"])["troubles"][0]["code"] == "disk_full"
            (disk / "filler").unlink()
            await holds(lambda: set(sent) <= set(origin.said("arrived")))
            await holds(lambda: orjson.loads(_last_health(origin))["disk_free"] > 0)


def _last_health(origin: Origin) -> str:
    told = [message.headers["health"] for message in origin.messages if "health" in message.headers]
    return str(told[-1])
