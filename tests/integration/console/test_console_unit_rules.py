"""Addressing rules are tried in the console: who would get a document, who not and why."""

import re
from datetime import timedelta
from urllib.parse import quote

import pytest

from router.directory import Directory
from support.consoles import Browser, Console
from support.ledgers import unit
from support.stories import example_units

pytestmark = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)


async def tried(browser: Browser, *rules: str, day: str = "", status: int = 200) -> str:
    answer = await browser.get(f"/console/units/rules?rules={quote(chr(10).join(rules))}&day={day}")
    text = await answer.text()
    assert answer.status == status, text
    return text


def counts(text: str) -> list[str]:
    return re.findall(r'data-count="(\d+)"', text)


async def test_who_would_get_it_and_who_not_is_told_with_why(console: Console) -> None:
    async with console.as_("viewer") as viewer:
        assert 'href="/console/units/rules"' in await viewer.text("/console/units")
        assert counts(await viewer.text("/console/units/rules")) == []
        text = await tried(viewer, "LCA.*{district}", "!LCA.02", "", "!LCA.03.01")
        assert counts(text) == ["10", "4"]
        assert "theo quy tắc &#39;!LCA.02&#39;" in text
        assert "quy tắc &#39;!LCA.03.01&#39; không loại trừ đơn vị nào" in text
        assert text.count("mạng riêng") == 3
        assert "\n!LCA.02" in text, "the address carries the form"
        assert "data-part" not in text
        viewer.http.cookie_jar.update_cookies({"congvan-language": "en"})
        assert "by the rule &#39;!LCA.02&#39;" in await tried(viewer, "LCA.*{district}", "!LCA.02")


async def test_a_day_decides_which_units_there_are(console: Console) -> None:
    today = console.services.organisation.today
    ended = today - timedelta(days=1)
    units = [
        unit.model_copy(update={"valid_to": ended, "successor": "LCA.02.14"}) if unit.code == "LCA.02.13" else unit
        for unit in example_units()
    ]
    console.services.organisation.directory = Directory(units)  # type: ignore[misc]
    async with console.as_("viewer") as viewer:
        text = await tried(viewer, "LCA.02.13")
        assert counts(text) == ["1", "1"]
        assert "nhận văn bản thay LCA.02.13" in text
        assert "đơn vị kế nhiệm là LCA.02.14" in text
        assert counts(await tried(viewer, "LCA.02.13", day=ended.isoformat())) == ["1", "0"]
        both = await tried(viewer, "lca", day="soon", status=422)
        assert "Đó không phải là một ngày" in both
        assert "không đọc được quy tắc" in both


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        (["lca"], "không đọc được quy tắc"),
        (["LCA.99"], "không có trong danh sách đơn vị"),
        (["LCA.#{ward}", "LCA.02"], "không khớp đơn vị nào"),
        (["LCA.02.05"] * 500, "tối đa 4.000 ký tự"),
    ],
)
async def test_a_rule_that_makes_no_sense_is_told_at_its_field(console: Console, rules: list[str], says: str) -> None:
    async with console.as_("viewer") as viewer:
        text = await tried(viewer, *rules, status=422)
        assert says in text
        assert 'aria-describedby="rule-problems help-rules"' in text
        assert counts(text) == []
        assert (await viewer.get(f"/console/units/rules?rules={'A' * 20_000}")).status == 422


async def test_who_sees_a_part_is_told_of_that_part_alone(console: Console) -> None:
    async with console.as_("district") as district:
        text = await tried(district, "LCA.#", "!LCA.02.05")
        assert "Chỉ gồm phần tổ chức bạn được xem" in text
        assert set(re.findall(r"/console/units/(LCA[.\d]*)\"", text)) <= {
            unit.code for unit in example_units() if unit.code.startswith("LCA.02")
        }
        assert counts(text) == ["23", "1"]
        same = [
            re.sub(r"LCA\.03\.\d\d", "", await tried(district, rule, "LCA.02.07"))
            for rule in ("LCA.03.01", "LCA.03.99")
        ]
        assert "không nêu đơn vị nào bạn được xem" in same[0]
        assert counts(same[0]) == ["1", "0"]
        assert same[0] == same[1], "nobody learns which units others have"
        only = await tried(district, "LCA.03.01")
        assert counts(only) == ["0", "0"]


async def test_the_page_shows_a_bounded_number_of_units_and_counts_all(console: Console) -> None:
    more = [unit(f"LCA.02.N{number}") for number in range(600)]
    console.services.organisation.directory = Directory([*example_units(), *more])  # type: ignore[misc]
    async with console.as_("viewer") as viewer:
        text = await tried(viewer, "LCA.02.#")
        assert counts(text)[0] == "624"
        assert text.count("<tr>") == 501
        assert "và 124 đơn vị" in text
