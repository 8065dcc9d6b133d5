"""A running router puts back what somebody deletes at its broker, and says meanwhile that it does not stand."""

import asyncio
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

from router.broker.management import Management
from router.broker.topology import diff, read
from router.delivery.broker_plan import planned
from router.ledger.engine import reading, writing
from router.ledger.people.accounts import create_account, revoke, rotate
from router.settings import RouterSettings
from schemas.accounts import Role, parse_account
from schemas.clock import now_ms
from schemas.ids import new_id
from support.amqp import Login, administrator, is_open
from support.broker import Vhost, call, delete_vhost
from support.installation import Installation, Program, installation
from support.ledgers import unit
from support.sessions import depth

UNITS = [unit(code) for code in ("LCA", "LCA.01", "LCA.02")]
GATEWAY, OTHER = "gateway:LCA.01", "gateway:LCA.02"
ONCE_AN_HOUR = 3600.0


@contextmanager
def running(vhost: Vhost, directory: Path, **settings: Any) -> Iterator[tuple[Installation, Program]]:
    with installation(directory, vhost, UNITS) as made:
        for name in (GATEWAY, OTHER):
            made.account(Role.GATEWAY, name.partition(":")[2])
        router = made.router(**settings)
        router.start()
        made.wait_until_ready()
        yield made, router


def stands(made: Installation) -> bool:
    settings = RouterSettings(amqp_url=made.vhost.amqp_url)

    async def compare() -> bool:
        with reading(made.engine) as conn:
            wanted = planned(conn, settings, now=now_ms())
        async with Management(made.vhost.management_url, made.vhost.user, made.vhost.password) as management:
            return not diff(await read(management, made.vhost.name), wanted)

    return asyncio.run(compare())


def login(made: Installation, user: str) -> Login:
    return Login(made.vhost, user, made.tokens[user])


def readiness(made: Installation) -> dict[str, dict[str, object]]:
    with urllib.request.urlopen(f"{made.api}/readyz", timeout=10) as answer:  # noqa: S310 - http, ours
        parts: dict[str, dict[str, object]] = json.loads(answer.read())["parts"]
    return parts


def delete(made: Installation, path: str) -> None:
    call(made.vhost, "DELETE", path)


TOLD_OF = (
    "queues/{vhost}/receipts.ledger",
    "queues/{vhost}/intake",
    "exchanges/{vhost}/org.LCA",
    "queues/{vhost}/unit.LCA.01.normal",
)
"""The router consumes these, or publishes there."""
NOT_TOLD_OF = (
    "exchanges/{vhost}/receipts",
    "exchanges/{vhost}/dead",
    "queues/{vhost}/dead",
    "permissions/{vhost}/{gateway}",
    "topic-permissions/{vhost}/{gateway}",
    "users/{gateway}",
    "user-limits/{gateway}/max-connections",
    "vhost-limits/{vhost}/max-queues",
    "policies/{vhost}/congvan-upstream",
    "permissions/{vhost}/{router}",
)


def test_what_the_broker_tells_of_is_back_without_waiting_for_the_interval(vhost: Vhost, tmp_path: Path) -> None:
    with running(vhost, tmp_path, topology_interval=ONCE_AN_HOUR) as (made, _):
        made.wait(lambda: stands(made), "it stands")
        for what in TOLD_OF:
            delete(made, what.format(vhost=vhost.name))
            _send(made)
            made.wait(lambda: stands(made), f"{what} is back")


def test_what_nothing_tells_of_is_back_after_the_interval(vhost: Vhost, tmp_path: Path) -> None:
    with running(vhost, tmp_path, topology_interval=0.2) as (made, _):
        made.wait(lambda: stands(made), "it stands")
        for what in NOT_TOLD_OF:
            delete(made, what.format(vhost=vhost.name, gateway=quote(GATEWAY, safe=""), router=vhost.user))
            made.wait(lambda: stands(made), f"{what} is back")
        made.wait(lambda: administrator(vhost).may(_publish), "the router's login may publish again")


def _publish(channel: BlockingChannel) -> None:
    channel.basic_publish("dead", "", b"")


def test_a_deleted_vhost_is_back_with_the_routers_own_permissions_and_what_waited_arrives_there(
    vhost: Vhost, tmp_path: Path
) -> None:
    with running(vhost, tmp_path, topology_interval=ONCE_AN_HOUR) as (made, _):
        _send(made)
        made.wait(lambda: made.states() == {"queued": 1}, "it lies in the unit's queue")
        delete_vhost(vhost, vhost.name)
        made.wait(lambda: stands(made), "the vhost stands again")
        made.wait(lambda: depth(vhost, "unit.LCA.01.normal") == 1, "what was lost with it lies there again")
        assert readiness(made)["topology"]["up"]


def test_a_broker_that_cannot_be_brought_in_line_is_told_and_the_metrics_say_so(vhost: Vhost, tmp_path: Path) -> None:
    call(vhost, "PUT", f"exchanges/{vhost.name}/receipts", b'{"type": "direct", "durable": true}')
    with installation(tmp_path, vhost, UNITS) as made:
        made.router().start()
        made.wait(lambda: "does not stand: 1 conflicts" in _body(f"{made.api}/readyz"), "it is told")
        metrics = _body(f"{made.api}/metrics")
        assert "congvan_topology_stands 0.0" in metrics
        call(vhost, "DELETE", f"exchanges/{vhost.name}/receipts")
        made.wait(lambda: stands(made), "it stands again")


def test_a_revoked_and_a_rotated_token_are_cut_off_within_five_seconds_and_nobody_else_is(
    vhost: Vhost, tmp_path: Path
) -> None:
    with running(vhost, tmp_path, topology_interval=ONCE_AN_HOUR) as (made, _):
        made.wait(lambda: stands(made), "it stands")
        with login(made, GATEWAY).connection() as rotated, login(made, OTHER).connection() as other:
            with writing(made.engine) as conn:
                made.tokens[GATEWAY] = rotate(conn, GATEWAY, now_ms=now_ms())
            began = time.monotonic()
            made.wait(lambda: not is_open(rotated), "the rotated token's connection is ended")
            assert time.monotonic() - began < 5
            assert is_open(other)
            made.wait(lambda: stands(made), "the new token is known")
            with login(made, GATEWAY).connection():
                with writing(made.engine) as conn:
                    revoke(conn, OTHER, now_ms=now_ms())
                began = time.monotonic()
                made.wait(lambda: not is_open(other), "the revoked token's connection is ended")
                assert time.monotonic() - began < 5


def test_a_token_that_expires_is_a_login_no_more(vhost: Vhost, tmp_path: Path) -> None:
    name = "gateway:LCA.02:short"
    with running(vhost, tmp_path, topology_interval=ONCE_AN_HOUR) as (made, _):
        ends = now_ms() + 8000
        with writing(made.engine) as conn:
            made.tokens[name] = create_account(conn, parse_account(name), now_ms=now_ms(), expires_at=ends)
        made.wait(lambda: stands(made), "the login is there")
        with login(made, name).connection() as short:
            made.wait(lambda: not is_open(short), "its connection is ended")
            assert 0 <= now_ms() - ends < 5000
        with pytest.raises(AMQPError), login(made, name).connection():
            pass


def _send(made: Installation) -> None:
    token = made.account(Role.ISSUER, "LCA.#")
    letter = {"notation": "1-CV/TU", "subject": "Thử", "issuer": "LCA", "addressees": ["LCA.01"]}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", "Idempotency-Key": new_id()}
    body = json.dumps(letter).encode()
    request = urllib.request.Request(f"{made.api}/api/v1/dispatches", body, headers)  # noqa: S310 - http, ours
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - http, ours
        assert answer.status == 202


def _body(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - http, ours
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return error.read().decode()
    except OSError:
        return ""
