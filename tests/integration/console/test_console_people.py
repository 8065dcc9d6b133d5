"""People of the console: who administers all of somebody's units invites them, gives and takes roles, ends access."""

from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar

from router.ledger.engine import reading, writing
from router.ledger.people.persons import PEOPLE, PersonRole
from router.ledger.scope import EVERYTHING
from router.pages.people import RoleGrant
from schemas.clock import now_ms
from support.audited import list_entries
from support.consoles import Browser, Console

NEW: dict[str, Any] = {"login": "tran.thi.moi", "units": "LCA.02.#", "role": "operator"}


async def link_in(answer: Any) -> str:
    return str((await answer.text()).split('<code id="way">', 1)[1].split("</code>", 1)[0])


async def test_somebody_is_invited_comes_in_loses_a_role_and_the_access(console: Console) -> None:
    async with console.as_("admin") as admin:
        csrf = await admin.csrf()
        answer = await admin.post("/console/people", csrf=csrf, **(NEW | {"role": ["operator", "auditor"]}))
        place = (await link_in(answer)).removeprefix(console.url)
        assert place not in await admin.text("/console/people"), "it is shown once"
        async with ClientSession(console.url, cookie_jar=CookieJar(unsafe=True)) as http:
            new = Browser(http)
            given = {"token": place.split("token=", 1)[1], "password": "bốn từ khác hẳn nhau"}
            given["again"] = given["password"]
            assert (await new.post("/console/welcome", None, **given)).status == 303
            assert (await new.get("/console/audit")).status == 200
            form = {"csrf": csrf, "role": "auditor", "units": "LCA.02.#"}
            assert (await admin.post("/console/people/tran.thi.moi/withdraw", None, **form)).status == 303
            assert (await new.get("/console/audit")).status == 403
            assert (await admin.post("/console/people/tran.thi.moi/revoke", csrf=csrf)).status == 303
            assert (await new.get("/console/")).status == 303
    with reading(console.engine) as conn:
        told = [f"{row.entry.act} {row.entry.subject}" for row in list_entries(conn, EVERYTHING)]
    assert told[:1] == ["revoked tran.thi.moi"]
    assert {"withdrawn tran.thi.moi auditor LCA.02.#", "invited tran.thi.moi operator, auditor LCA.02.#"} <= set(told)


@pytest.fixture
def district(console: Console) -> str:
    """An administrator of one district."""
    with writing(console.engine) as conn:
        PEOPLE.invite(conn, "district", [RoleGrant(PersonRole.ADMIN, "LCA.02.#")], now_ms=now_ms())
        PEOPLE.invite(conn, "beside", [RoleGrant(PersonRole.VIEWER, "LCA.03.#")], now_ms=now_ms())
        PEOPLE.invite(conn, "both", [RoleGrant(PersonRole.VIEWER, f"LCA.0{one}") for one in (2, 3)], now_ms=now_ms())
        PEOPLE.invite(conn, "nobody", now_ms=now_ms())
        PEOPLE.invite(conn, "below", [RoleGrant(PersonRole.VIEWER, "LCA.02.05")], now_ms=now_ms())
    return "district"


async def test_an_administrator_of_a_part_reaches_nobody_who_has_roles_beyond_it(
    console: Console, district: str
) -> None:
    async with console.as_(district) as admin:
        csrf = await admin.csrf()
        listed = await admin.text("/console/people")
        assert "below" in listed
        for name in ("admin", "beside", "both", "nobody"):
            assert f"/people/{name}/revoke" not in listed
            assert (await admin.post(f"/console/people/{name}/revoke", csrf=csrf)).status == 403
            form = {"csrf": csrf, "login": name, "units": "LCA.02.05", "role": "admin"}
            assert (await admin.post("/console/people", None, **form)).status == 403, "a link would be a way in as them"
        for units in ("LCA.#", "LCA.03", "LCA", ""):
            assert (await admin.post("/console/people", csrf=csrf, **(NEW | {"units": units}))).status == 422
        wrongs: list[dict[str, Any]] = [{"login": "Không Phải"}, {"role": []}, {"role": "king"}, {"units": "lca"}]
        for wrong in wrongs:
            assert (await admin.post("/console/people", csrf=csrf, **(NEW | wrong))).status == 422
        assert (await admin.post("/console/people/missing/revoke", csrf=csrf)).status == 403
        assert (await admin.post("/console/people", csrf=csrf, **(NEW | {"units": "LCA.02.05"}))).status == 200


async def test_who_administers_nothing_has_no_such_page(console: Console) -> None:
    for name in ("viewer", "district", "auditor"):
        async with console.as_(name) as person:
            assert "/console/people" not in await person.text("/console/help")
            assert (await person.get("/console/people")).status == 403
            csrf = await person.csrf()
            assert (await person.post("/console/people", csrf=csrf, **NEW)).status == 403
            assert (await person.post("/console/people/admin/revoke", csrf=csrf)).status == 403


async def test_only_who_administers_the_whole_makes_an_issuer(console: Console, district: str) -> None:
    issuer = NEW | {"role": "issuer", "units": "LCA.02"}
    async with console.as_(district) as admin:
        answer = await admin.post("/console/people", csrf=await admin.csrf(), **issuer)
        assert (answer.status, "toàn bộ tổ chức" in await answer.text()) == (422, True)
    async with console.as_("admin") as admin:
        assert (await admin.post("/console/people", csrf=await admin.csrf(), **issuer)).status == 200
    with reading(console.engine) as conn:
        found = PEOPLE.find(conn, "tran.thi.moi")
    assert found is not None
    assert found.grants == (RoleGrant(PersonRole.ISSUER, "LCA.02"),)


DOORS: dict[str, tuple[str, dict[str, Any]]] = {
    "a way in": ("", {}),
    "a role": ("", {"role": "viewer", "units": "LCA.02.05"}),
    "a mail address": ("", {"email": "of.mine@example.vn"}),
    "a role taken": ("/{}/withdraw", {"role": "viewer", "units": "LCA.02.05"}),
    "an end": ("/{}/revoke", {}),
}
TARGETS: dict[str, tuple[list[str], bool]] = {
    "operator of a unit": (["operator LCA.02.05"], True),
    "administrator of the same": (["admin LCA.02.#"], True),
    "issuer of a unit": (["issuer LCA.02.05"], False),
    "issuer of all of it": (["issuer LCA.02.#", "admin LCA.02.#"], False),
    "viewer of another": (["viewer LCA.03"], False),
    "viewer of the whole": (["viewer LCA.#"], False),
}


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("who", TARGETS)
@pytest.mark.parametrize("door", DOORS)
async def test_an_administrator_acts_on_a_person_only_when_they_administer_all_that_the_person_may_do(
    console: Console, district: str, door: str, who: str
) -> None:
    path, form = DOORS[door]
    granted, may = TARGETS[who]
    grants = [PEOPLE.check_grant(*one.split()) for one in ["viewer LCA.02.05", *granted]]
    with writing(console.engine) as conn:
        PEOPLE.invite(conn, "somebody", grants, now_ms=now_ms())
    address = f"/console/people{path.format('somebody')}"
    for admin, allowed in ((district, may), ("admin", True)):
        with reading(console.engine) as conn:
            before = [row for row in PEOPLE.list_all(conn) if row.person.name == "somebody"]
        async with console.as_(admin) as browser:
            sent = form if path else {"login": "somebody"} | form
            answer = await browser.post(address, csrf=await browser.csrf(), **sent)
            assert (answer.status in {200, 303}) is allowed, (admin, answer.status)
            assert ("/people/somebody/revoke" in await browser.text("/console/people")) is (
                allowed and door != "an end"
            )
        with reading(console.engine) as conn:
            after = [row for row in PEOPLE.list_all(conn) if row.person.name == "somebody"]
        if not allowed:
            assert after == before
        if may:
            break
