"""Lists of units: what is read, and that everything wrong is told with its line."""

import csv
import io
import json
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from router.directory import Directory, load_csv, load_file, load_json, loading, require_whole
from router.errors import DirectoryError
from schemas.unit import Link, OtherCode, Unit

HEAD = "code,parent,name,kind,link,note,valid_from,valid_to,successor,codes\n"
ROOT = "LCA,,Tỉnh ủy,province,lan,,,,,\n"


def problems_of(load: Callable[[str], list[Unit]], text: str) -> list[tuple[str, str]]:
    with pytest.raises(DirectoryError) as caught:
        load(text)
    return [(item.field, item.problem) for item in caught.value.problems]


def csv_problems(*lines: str) -> list[tuple[str, str]]:
    return problems_of(load_csv, HEAD + ROOT + "\n".join(lines))


def test_a_csv_is_read_with_every_column() -> None:
    text = (
        HEAD
        + ROOT
        + "LCA.02,LCA,Huyện ủy Bát Xát,district,wan,ghi chú,2000-01-01,2025-06-30,LCA.03,old=000.00.00.H38;party=T13\n"
        + '\nLCA.03,LCA,"Đảng ủy, mới",commune,dialup,,2025-07-01,,,\n'
    )
    assert load_csv(text)[1:] == [
        Unit(
            code="LCA.02",
            parent="LCA",
            name="Huyện ủy Bát Xát",
            kind="district",
            link=Link.WAN,
            note="ghi chú",
            valid_from=date(2000, 1, 1),
            valid_to=date(2025, 6, 30),
            successor="LCA.03",
            codes=(OtherCode(scheme="old", code="000.00.00.H38"), OtherCode(scheme="party", code="T13")),
        ),
        Unit(
            code="LCA.03",
            parent="LCA",
            name="Đảng ủy, mới",
            kind="commune",
            link=Link.DIALUP,
            valid_from=date(2025, 7, 1),
        ),
    ]


def test_columns_may_stand_in_any_order_and_the_optional_ones_may_be_missing() -> None:
    assert load_csv("link,kind,name,parent,code\nlan,province,Tỉnh ủy,,LCA\n")[0].code == "LCA"


def test_a_list_written_as_json_is_read_back_the_same() -> None:
    units = load_csv(HEAD + ROOT + "LCA.02,LCA,Huyện,district,wan,,,2025-06-30,LCA,old=H38\n")
    assert load_json(json.dumps([unit.model_dump(mode="json") for unit in units])) == units


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_files_are_read_by_their_ending_with_and_without_a_byte_order_mark(tmp_path: Path, mark: str) -> None:
    (tmp_path / "units.CSV").write_text(mark + HEAD + ROOT, "utf-8")
    (tmp_path / "units.json").write_text(mark + '[{"code":"LCA","name":"a","kind":"k","link":"lan"}]', "utf-8")
    assert load_file(tmp_path / "units.CSV")[0].code == load_file(tmp_path / "units.json")[0].code == "LCA"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_either_line_end_is_read_and_lines_are_counted_through_quoted_ones(newline: str) -> None:
    text = HEAD + ROOT + 'LCA.02,LCA,Huyện,district,wan,"hai\ndòng",,,,\nLCA.03,,Xã,commune,wan,,,,,\n'
    fields = [field for field, _ in problems_of(load_csv, text.replace("\n", newline))]
    assert fields == ["line 3, note", "line 5, parent"]


@pytest.mark.parametrize(
    ("lines", "field", "says"),
    [
        (["LCA.02,LCA,Huyện,district,fax,,,,,"], "line 3, link", "'lan', 'wan', 'dialup', 'none' or 'excluded'"),
        (["LCA.02,LCA,Huyện,District,wan,,,,,"], "line 3, kind", "written as"),
        (["lca.02,LCA,Huyện,district,wan,,,,,"], "line 3, code", "written as"),
        (["LCA.02,LCA,,district,wan,,,,,"], "line 3, name", "is missing"),
        (["LCA.02,LCA,Huyện,district,wan,,1.7.2025,,,"], "line 3, valid_from", "written as 2025-07-01"),
        (["LCA.02,LCA,Huyện,district,wan,,86400,,,"], "line 3, valid_from", "written as 2025-07-01"),
        (["LCA.02,LCA,Huyện,district,wan,,,2025-02-30,,"], "line 3, valid_to", "day"),
        (["LCA.02,LCA,Huyện,district,wan,,2025-07-01,2025-06-30,,"], "line 3, valid_to", "before valid_from"),
        (["LCA.02,LCA,Huyện,district,wan,,,,,H38"], "line 3, codes.0.code", "is missing"),
        (["LCA.02,LCA,Huyện,district"], "line 3", "has 4 fields, the header names 10"),
        (["LCA,,Tỉnh,province,lan,,,,,"], "line 3, code", "stands at line 2 already"),
        (["LCA.02,HN,Huyện,district,wan,,,,,"], "line 3, parent", "HN is not in the list"),
        (["LCA.02,,Huyện,district,wan,,,,,"], "line 3, parent", "is missing: LCA is above LCA.02"),
        (["HN,LCA,Huyện,district,wan,,,,,"], "line 3, parent", "LCA is not how the code HN begins"),
        (["HN,HN,Huyện,district,wan,,,,,"], "line 3, parent", "cycle: HN → HN"),
        (["LCA.02,LCA,H,d,wan,,,,,", "LCA.02.01,LCA,X,c,wan,,,,,"], "line 4, parent", "has to be LCA.02"),
        (["LCA.02,LCA,Huyện,district,wan,,,2025-06-30,LCA.9,"], "line 3, successor", "LCA.9 is not in the list"),
        (["LCA.02,LCA,Huyện,district,wan,,,2025-06-30,LCA.02,"], "line 3, successor", "cycle: LCA.02 → LCA.02"),
        (["LCA.02,LCA,Huyện,district,wan,,,,LCA,"], "line 3, successor", "needs valid_to"),
        (['LCA.02,LCA,"Huyện"x,district,wan,,,,,'], "line 3", "is not CSV"),
        (['LCA.02,LCA,"Huyện,district,wan,,,,,'], "line 3", "is not CSV"),
    ],
)
def test_what_is_wrong_in_a_csv_is_told_with_line_and_field(lines: list[str], field: str, says: str) -> None:
    found = csv_problems(*lines)
    assert [place for place, _ in found] == [field]
    assert says in found[0][1]


def test_every_line_of_a_cycle_is_told_with_the_way_round() -> None:
    found = csv_problems("A,B,x,k,lan,,,,,", "B,C,x,k,lan,,,,,", "C,A,x,k,lan,,,,,")
    assert [(field, text.rpartition(": ")[2]) for field, text in found] == [
        ("line 3, parent", "A → B → C → A"),
        ("line 4, parent", "B → C → A → B"),
        ("line 5, parent", "C → A → B → C"),
    ]
    ends = ",,,2025-06-30,"
    round_trip = csv_problems(f"LCA.1,LCA,x,k,lan{ends}LCA.2,", f"LCA.2,LCA,x,k,lan{ends}LCA.1,")
    assert [field for field, _ in round_trip] == ["line 3, successor", "line 4, successor"]


def test_a_long_cycle_is_told_in_short() -> None:
    found = csv_problems(*(f"C{n},C{(n + 1) % 50},x,k,lan,,,,," for n in range(50)))
    assert len(found) == 50
    assert found[0][1].endswith("C6 → C7 → … → C0")


def test_all_problems_are_told_at_once_and_a_wrong_line_brings_no_others_with_it() -> None:
    found = csv_problems(
        "LCA.02,LCA,Huyện,district,fax,,,,,",
        "LCA.02.01,LCA.02,Xã,commune,wan,,,,,",
        "LCA.03,LCA",
        "LCA.03.01,LCA.03,X,c,wan,,,,,",
    )
    assert [field for field, _ in found] == ["line 3, link", "line 5"]


def test_the_errors_sentence_counts_all_and_shows_the_first() -> None:
    with pytest.raises(DirectoryError, match=r"has 5 problems: line 3, link: .*; and 2 more") as caught:
        load_csv(HEAD + ROOT + "".join(f"LCA.{n},LCA,x,k,fax,,,,,\n" for n in range(5)))
    assert len(caught.value.problems) == 5


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("", "lacks the columns code, parent, name, kind, link"),
        ("code,parent,name,kind", "lacks the columns link"),
        ("code,parent,name,kind,link,colour", "unknown columns: 'colour'"),
        ("code,parent,name,kind,link,link", "names columns twice: link"),
        ("code;parent;name;kind", "lacks the columns link"),
        ("Code,Parent,Name,Kind,Link", "lacks the columns code"),
    ],
)
def test_a_header_that_is_wrong_is_refused(header: str, says: str) -> None:
    assert any(says in problem for _, problem in problems_of(load_csv, header + "\n"))


@pytest.mark.parametrize(
    ("text", "field", "says"),
    [
        ("", "line 1", "is not JSON"),
        ("{}", "line 1", "has to be a JSON array"),
        ("[]", "line 1", "there are no units"),
        ("[\n\n{]", "line 3", "is not JSON"),
        ("[" * 100_000, "line 1", "is not JSON of units"),
        ("[" + "1" * 5000 + "]", "line 1", "is not JSON of units"),
        ("[\n 5]", "line 2, [0]", "object"),
        ('[{"code":"A","name":"a","kind":"k","link":"lan"},\n\n{"code":"B"}]', "line 3, [1].name", "is missing"),
        ('[{"code":"A","name":"a","kind":"k","link":"lan","x":1}]', "line 1, [0].x", "not known here"),
        ('[{"code":"A","name":"a","kind":"k","link":"lan","valid_from":0}]', "line 1, [0].valid_from", "written as"),
        (
            '[{"code":"A","name":"a","kind":"k","link":"lan","valid_from":"2025-07-01","valid_to":"2025-06-30"}]',
            "line 1, [0].valid_to",
            "before valid_from",
        ),
    ],
)
def test_what_is_wrong_in_a_json_list_is_told_with_line_and_index(text: str, field: str, says: str) -> None:
    found = dict(problems_of(load_json, text))
    assert says in found[field]


def test_another_schemes_code_has_a_span_of_its_own() -> None:
    span = '{"scheme":"s","code":"c","valid_from":"2025-07-01","valid_to":"2025-06-30"}'
    text = f'[{{"code":"A","name":"a","kind":"k","link":"lan","codes":[{span}]}}]'
    assert problems_of(load_json, text) == [("line 1, [0].codes.0.valid_to", "is before valid_from 2025-07-01")]


def test_a_file_that_is_not_utf_8_is_refused_with_the_line(tmp_path: Path) -> None:
    file = tmp_path / "units.csv"
    file.write_bytes((HEAD + ROOT).encode() + "LCA.02,LCA,Huyện".encode("utf-16"))
    with pytest.raises(DirectoryError, match="line 3: is not UTF-8"):
        load_file(file)


def test_a_file_of_another_kind_or_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DirectoryError, match=r"end in \.csv or \.json"):
        load_file(tmp_path / "units.xlsx")
    (tmp_path / "units.csv").write_text(HEAD + ROOT, "utf-8")
    monkeypatch.setattr(loading, "MAX_FILE_BYTES", 10)
    with pytest.raises(DirectoryError, match="larger than 10 bytes"):
        load_file(tmp_path / "units.csv")


@pytest.mark.parametrize("form", ["csv", "json"])
def test_too_many_units_are_refused(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "MAX_UNITS", 1)
    if form == "csv":
        assert csv_problems("LCA.02,LCA,x,k,lan,,,,,") == [("line 3", "a directory has at most 1 units")]
    else:
        unit = '{"code":"A","name":"a","kind":"k","link":"lan"}'
        assert problems_of(load_json, f"[{unit},\n{unit}]") == [("line 2", "a directory has at most 1 units")]


def test_units_from_elsewhere_are_held_to_the_same_rules_by_their_codes() -> None:
    units = load_csv(HEAD + ROOT)
    require_whole(units)
    with pytest.raises(DirectoryError, match=r"LCA\.02, parent: HN is not in the list"):
        require_whole([*units, units[0].model_copy(update={"code": "LCA.02", "parent": "HN"})])


def test_a_countrys_register_loads_in_seconds() -> None:
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(("code", "parent", "name", "kind", "link"))
    writer.writerow(("VN", "", "Việt Nam", "country", "lan"))
    for province in range(63):
        writer.writerow((f"VN.{province:02}", "VN", "Tỉnh", "province", "wan"))
        for commune in range(1762):
            writer.writerow((f"VN.{province:02}.{commune:04}", f"VN.{province:02}", "Xã", "commune", "dialup"))
    began = time.process_time()
    directory = Directory(load_csv(lines.getvalue()))
    assert len(directory) == 111_070
    assert time.process_time() - began < 20


def test_a_column_holds_the_hours_of_a_units_line_in_one_form() -> None:
    head = "code,parent,name,kind,link,opening\nLCA,,Tỉnh ủy,province,lan,\n"
    listed = load_csv(head + 'LCA.02,LCA,Huyện,district,dialup,"18:00 - 21:00,05:00-06:30"\n')
    assert [unit.opening for unit in listed] == ["", "18:00-21:00, 05:00-06:30"]
    problems = problems_of(load_csv, head + "LCA.02,LCA,Huyện,district,dialup,6pm-9pm\n")
    assert [field for field, _ in problems] == ["line 3, opening"]
    assert "write it as 18:00-21:00" in problems[0][1]
    assert load_json(f"[{listed[0].model_dump_json()}, {listed[1].model_dump_json()}]") == listed


@pytest.mark.parametrize("first", ["", "sep=;\r\n", "\ufeff", "\ufeffsep=;\n"])
def test_a_list_that_a_vietnamese_excel_wrote_is_read(first: str) -> None:
    text = f'{first}code;parent;name;kind;link;codes\nLCA;;Tỉnh ủy, Lào Cai;province;lan;"old=H38;new=H39"\n'
    (unit,) = load_csv(text)
    assert (unit.name, [item.code for item in unit.codes]) == ("Tỉnh ủy, Lào Cai", ["H38", "H39"])


def test_a_list_with_semicolons_tells_the_line_that_is_wrong() -> None:
    with pytest.raises(DirectoryError) as caught:
        load_csv("sep=;\ncode;parent;name;kind;link\nLCA;;Tỉnh ủy;province;lan\nlca;LCA;x;commune;lan\n")
    assert caught.value.problems[0].field.startswith("line 4")
