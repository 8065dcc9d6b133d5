"""A router whose ledger is away when it starts waits for it, and says so in its log and at its port."""

import json
import urllib.error
import urllib.request
from pathlib import Path

from router.ledger.engine import upgrade
from schemas.events import Event
from support.broker import Vhost
from support.conditions import until
from support.installation import Installation, installation
from support.ledgers import unit
from support.postgres import PrivatePostgres
from support.standby import Pair


def asked(made: Installation, path: str) -> tuple[int, dict[str, object], str]:
    """Status, JSON and Retry-After of an answer; 0 when nobody listens."""
    try:
        with urllib.request.urlopen(f"{made.api}{path}", timeout=10) as answer:  # noqa: S310 - http, ours
            return answer.status, json.load(answer), ""
    except urllib.error.HTTPError as error:
        return error.code, json.load(error), error.headers.get("Retry-After", "")
    except OSError:
        return 0, {}, ""


def test_a_router_waits_for_a_database_that_is_away(server: PrivatePostgres, vhost: Vhost, tmp_path: Path) -> None:
    with installation(tmp_path, vhost, [unit("LCA")], ledger_url=server.url) as made:
        server.stop()
        router = made.router()
        router.start()
        until(lambda: asked(made, "/readyz")[0] == 503)
        status, said, retry = asked(made, "/readyz")
        assert (status, said["status"], retry) == (503, "unavailable", "5")
        assert said["parts"] == {"database": {"up": False, "state": "takes no changes (OperationalError)"}}
        assert asked(made, "/livez")[:2] == (200, {"status": "ok"})
        status, said, retry = asked(made, "/api/v1/units")
        assert (status, said["type"], retry) == (503, "urn:congvan:problem:ledger-unavailable", "5")
        assert Event.ROUTER_WAITS in router.tail()
        server.start()
        until(lambda: asked(made, "/readyz")[0] == 200)
        router.require_alive()
        assert router.stop() == 0


def test_a_router_that_waits_stops_in_good_order(server: PrivatePostgres, vhost: Vhost, tmp_path: Path) -> None:
    with installation(tmp_path, vhost, [unit("LCA")], ledger_url=server.url) as made:
        server.stop()
        router = made.router()
        router.start()
        until(lambda: asked(made, "/readyz")[0] == 503)
        assert router.stop() == 0


def test_a_router_that_starts_at_a_standby_serves_what_can_be_read_and_is_not_ready(
    pair: Pair, vhost: Vhost, tmp_path: Path
) -> None:
    upgrade(pair.url("postgres"))
    with installation(tmp_path, vhost, [unit("LCA")], ledger_url=pair.url_of_any("postgres")) as made:
        pair.primary.kill()
        router = made.router()
        router.start()
        until(lambda: asked(made, "/readyz?need=database")[0] == 503 and asked(made, "/livez")[0] == 200)
        router.require_alive()
        pair.promote()
        until(lambda: asked(made, "/readyz?need=database")[0] == 200)
        router.require_alive()
        assert router.stop() == 0
