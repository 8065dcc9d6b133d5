"""A router whose broker shows a wrong certificate: it accepts, says why it waits, and goes on by itself when mended."""

import asyncio
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from deploy.doctor import services
from deploy.doctor.findings import CheckOutcome, run
from router.settings import RouterSettings
from schemas.accounts import Role
from schemas.reasons import ReasonCode
from support.broker import Vhost
from support.conditions import holds
from support.installation import Installation, installation
from support.issuer import DAY, Issuer
from support.organisation import a_unit
from support.tls_front import tls_front

NAME = "127.0.0.1"


async def test_a_router_says_which_certificate_stands_in_its_way_and_goes_on(vhost: Vhost, tmp_path: Path) -> None:
    issuer = Issuer(tmp_path / "issuer")
    units = [a_unit("LCA"), a_unit("LCA.02")]
    async with tls_front(vhost.amqp_url, issuer.issue(NAME, shift=-10 * DAY)) as front:
        with installation(tmp_path, vhost, units) as made:
            program = made.router(amqp_url=front.url, ca_file=issuer.authority)
            await asyncio.to_thread(program.start)
            await holds(lambda: told(made, "/readyz", ReasonCode.TLS_EXPIRED.value), within=120)
            await holds(lambda: told(made, "/metrics", 'to="broker"'), within=60)
            finding = await run("broker", services.broker, settings_of(made, front.url, issuer))
            assert finding.answer.verdict is CheckOutcome.FAILED
            assert "ended at" in finding.answer.detail
            assert "Renew the server's certificate" in finding.answer.hint
            front.show(issuer.issue(NAME))
            await holds(made.is_ready, within=120)
            assert not await told(made, "/metrics", 'to="broker"')
    log = program.log.read_text("utf-8")
    assert ReasonCode.TLS_EXPIRED.value in log
    assert "tls_trouble_over" in log


def settings_of(made: Installation, url: str, issuer: Issuer) -> RouterSettings:
    given: dict[str, Any] = {"amqp_user": made.vhost.user, "amqp_password": made.vhost.password}
    return RouterSettings(amqp_url=url, ca_file=issuer.authority, **given)


async def told(made: Installation, path: str, words: str) -> bool:
    """Whether the router's answer, an error too, holds some words."""
    token = made.account(Role.OPERATOR, "LCA.#")
    request = urllib.request.Request(f"{made.api}{path}", headers={"Authorization": f"Bearer {token}"})  # noqa: S310 - ours

    def ask() -> str:
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - ours
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return error.read().decode()
        except OSError:
            return ""

    return words in await asyncio.to_thread(ask)
