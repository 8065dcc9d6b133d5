"""The console's overview tells which certificates end soon: the router's own to who sees all, gateways' to theirs."""

from pathlib import Path

from sqlalchemy import update

from router.delivery.certificate_watch import CertificateEnd, Which
from router.ledger.engine import writing
from router.ledger.models import unit as unit_row
from router.ledger.units import gateways
from router.ledger.units.gateways import GatewayHello
from router.tls.authority import begin
from router.tls.certificates import DAY_MS
from schemas.clock import now_ms
from schemas.health import CertificateDays, Health
from schemas.ids import new_id
from support.consoles import Console

CODE = "LCA.02.01"


def say(console: Console, days: int) -> None:
    """A gateway of the district says hello."""
    spool = new_id()
    told = Health(certificates=(CertificateDays(which="broker", days=days),))
    with writing(console.engine) as conn:
        hello = GatewayHello(spool, f"gateway:{CODE}", now_ms(), 60_000, "0.2.0", told)
        gateways.note_said(conn, hello, contested=False)
        conn.execute(update(unit_row).where(unit_row.c.code == CODE).values(spool_id=spool))


async def test_what_gateways_see_end_soon_is_told_to_who_sees_them(console: Console) -> None:
    say(console, 61)
    async with console.as_("viewer") as viewer:
        assert "data-certificate" not in await viewer.text("/console/")
    say(console, 12)
    async with console.as_("viewer") as viewer, console.as_("district") as district:
        for browser in (viewer, district):
            page = await browser.text("/console/")
            assert "Một chứng thư sắp hết hạn" in page
            assert f"<code>gateway:{CODE}</code>" in page
        assert "Chứng thư của máy chủ thông điệp" in await district.text(f"/console/units/{CODE}")
    say(console, -1)
    async with console.as_("district") as district:
        assert "Một chứng thư đã hết hạn" in await district.text("/console/")


async def test_the_routers_own_are_told_to_who_sees_all(console: Console, tmp_path: Path) -> None:
    authority = begin(tmp_path / "pki", "UBND", now_ms=now_ms())
    old = authority.issue_server(["congvan.vn"], now_ms=now_ms() - 80 * DAY_MS).certificate
    assert console.services.certificates is not None
    console.services.certificates.ends = (CertificateEnd(Which.WEB, old),)
    async with console.as_("viewer") as viewer, console.as_("district") as district:
        assert "Chứng thư của dịch vụ web" in await viewer.text("/console/")
        assert "Chứng thư của dịch vụ web" not in await district.text("/console/")
