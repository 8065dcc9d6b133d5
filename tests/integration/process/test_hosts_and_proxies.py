"""The router itself answers to its own names alone, and believes of addresses what its proxies say."""

import http.client
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from router.ledger.engine import reading
from router.ledger.people.audit import Act
from router.ledger.scope import EVERYTHING
from support.audited import list_entries
from support.broker import Vhost
from support.installation import Installation, installation
from support.ledgers import unit

FORWARDED = {"X-Forwarded-For": "203.0.113.5, 198.51.100.7", "X-Forwarded-Proto": "https"}


@pytest.fixture
def made(tmp_path: Path, vhost: Vhost) -> Iterator[Installation]:
    with installation(tmp_path, vhost, [unit("LCA")]) as ready:
        yield ready


def asked(made: Installation, path: str, host: str = "127.0.0.1", body: str = "", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", made.port, timeout=30)
    try:
        sent = {"Host": host, "Sec-Fetch-Site": "same-origin", "Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST" if body else "GET", path, body or None, sent | headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except ConnectionRefusedError:
        return 0, ""
    finally:
        connection.close()


def begin(made: Installation, **settings: str) -> None:
    made.router(**settings).start()
    made.wait(lambda: asked(made, "/livez")[0] == 200, "the router listens")


def test_a_request_for_another_host_is_refused_at_every_door_but_those_that_watch_the_process(
    made: Installation,
) -> None:
    begin(made, allowed_hosts='["congvan.tinh.vn", "*.noi-bo.vn"]')
    doors = {"/": 303, "/console/login": 200, "/api/v1/units": 401, "/docs": 200, "/none": 404}
    for host in ("congvan.tinh.vn", "CongVan.tinh.vn:8470", "a.noi-bo.vn", "congvan.tinh.vn."):
        assert {path: asked(made, path, host)[0] for path in doors} == doors, host
    for host in ("127.0.0.1", "evil.vn", "noi-bo.vn", "xnoi-bo.vn", "congvan.tinh.vn.evil.vn", "[::1]:8470", ""):
        assert {path: asked(made, path, host)[0] for path in doors} == dict.fromkeys(doors, 421), host
        assert "unknown-host" in asked(made, "/api/v1/units", host)[1]
        assert asked(made, "/livez", host)[0] == 200
    forwarded = {"X-Forwarded-Host": "congvan.tinh.vn"}
    assert asked(made, "/console/login", "evil.vn", **forwarded)[0] == 421, "no header speaks for the name"


@pytest.mark.parametrize(
    ("proxies", "address"),
    [
        ('["127.0.0.1", "::1"]', "198.51.100.7"),
        ('["192.0.2.0/24"]', "127.0.0.1"),
        ('["127.0.0.0/8", "198.51.100.7"]', "203.0.113.5"),
    ],
)
def test_an_address_is_believed_of_the_proxies_that_are_named_and_of_nobody_else(
    made: Installation, proxies: str, address: str
) -> None:
    begin(made, trusted_proxies=proxies)
    form = urlencode({"name": "nobody", "password": "không phải mật khẩu"})
    assert asked(made, "/console/login", body=form, **FORWARDED)[0] == 401
    with reading(made.engine) as conn:
        (entry,) = (row.entry for row in list_entries(conn, EVERYTHING) if row.entry.act is Act.LOGIN_FAILED)
    assert entry.address == address
