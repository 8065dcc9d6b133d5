"""What is wrong with a list or a rule is said in the page's language, with its place and how to mend it."""

from datetime import date

import pytest

from router.directory import Directory, load_list, resolve
from router.errors import DirectoryError
from router.pages.faults import SENTENCES, fault_of, place_of, said
from router.pages.language import ENGLISH, VIETNAMESE, translations
from router.words.terms import import_of
from schemas.errors import AddressingError, FieldProblem
from schemas.unit import Link
from support.ledgers import unit

VI, EN = translations(VIETNAMESE).gettext, translations(ENGLISH).gettext
HEAD = "code,parent,name,kind,link,note,opening,valid_from,valid_to,successor,codes\n"
ROOT = "LCA,,Tỉnh ủy,province,lan,,,,,,\n"
LINES = (
    "LCA.02,LCA,Huyện,district,fax,,,,,,",
    "LCA.02,LCA,Huyện,District,wan,,,,,,",
    "lca.02,LCA,Huyện,district,wan,,,,,,",
    "LCA.02,LCA,,district,wan,,,,,,",
    "LCA.02,LCA,Huyện\u0007,district,wan,,,,,,",
    "LCA.02,LCA,\u3164,district,wan,,,,,,",
    f"LCA.02,LCA,{'a' * 201},district,wan,,,,,,",
    "LCA.02,LCA,Huyện,district,wan,,,1.7.2025,,,",
    "LCA.02,LCA,Huyện,district,wan,,,,2025-02-30,,",
    "LCA.02,LCA,Huyện,district,wan,,,2025-07-01,2025-06-30,,",
    "LCA.02,LCA,Huyện,district,wan,,,,,,H38",
    "LCA.02,LCA,Huyện,district,wan,,18h-21h,,,,",
    "LCA.02,LCA,Huyện,district,wan,,18:00-18:00,,,,",
    f'LCA.02,LCA,Huyện,district,wan,,"{", ".join(["18:00-21:00"] * 13)}",,,,',
    "LCA.02,LCA,Huyện,district",
    "LCA,,Tỉnh,province,lan,,,,,,",
    "LCA.02,HN,Huyện,district,wan,,,,,,",
    "LCA.02,,Huyện,district,wan,,,,,,",
    "HN,LCA,Huyện,district,wan,,,,,,",
    "HN,HN,Huyện,district,wan,,,,,,",
    "LCA.02,LCA,H,d,wan,,,,,,\nLCA.02.01,LCA,X,c,wan,,,,,,",
    "LCA.02,LCA,Huyện,district,wan,,,,2025-06-30,LCA.9,",
    "LCA.02,LCA,Huyện,district,wan,,,,,LCA,",
    'LCA.02,LCA,"Huyện"x,district,wan,,,,,,',
    f"LCA.02,LCA,Huyện,district,wan,,,,,,{';' * 101}",
    "YBA,,Tỉnh ủy,province,lan,,,,,,",
)
FILES = (
    ("units.xlsx", b"PK"),
    ("units.csv", b"\xff"),
    ("units.csv", b""),
    ("units.csv", b"code,parent,name,kind,link\n"),
    ("units.csv", b"code,parent,name,kind,link,color,code\n"),
    ("units.json", b"{}"),
    ("units.json", b"["),
    ("units.json", b"[" * 100_000),
    ("units.json", b'[7, {"code": 7, "codes": 7, "colour": "", "link": "lan"}]'),
    ("units.json", b'[{"code":[' + b"1," * 1001 + b"1]}]"),
)
RULES = (
    *("lca", "LCA.99", "!LCA.99", "LCA.#{ward}", "LCA.", "LCA..02", "LCA.#{", "LCA{ward}", "LCA 02", "LCA.#x"),
    *("L" * 17, ".".join("A" * 11), "'", "LCA.#{x'", "LCA'"),
)


def problems_of_list(name: str, data: bytes) -> tuple[FieldProblem, ...]:
    with pytest.raises(DirectoryError) as caught:
        load_list(name, data, own=["LCA.#"])
    return caught.value.problems


@pytest.mark.parametrize(("name", "data"), [*(("units.csv", (HEAD + ROOT + line).encode()) for line in LINES), *FILES])
def test_everything_that_is_wrong_in_a_list_is_said_in_either_language(name: str, data: bytes) -> None:
    for problem in problems_of_list(name, data):
        vietnamese, english = fault_of(problem, VI), fault_of(problem, EN)
        assert vietnamese.is_known, problem
        assert english.problem == problem.problem, "in English it stays as the checks say it"
        assert vietnamese.problem != english.problem
        assert vietnamese.place != english.place


@pytest.mark.parametrize("rule", RULES)
def test_everything_that_is_wrong_with_a_rule_is_said_in_either_language(rule: str) -> None:
    with pytest.raises(AddressingError) as caught:
        resolve(Directory([unit("LCA"), unit("LCA.02")]), [rule], date(2026, 11, 30))
    (problem,) = caught.value.problems
    assert fault_of(problem, VI).is_known, problem
    assert fault_of(problem, EN).problem == problem.problem
    assert problem.given == rule


def test_what_is_said_of_a_resolution_is_said_in_either_language() -> None:
    day = date(2026, 11, 30)
    units = [
        unit("LCA"),
        unit("LCA.01", valid_to=date(2026, 1, 1), successor="LCA.02"),
        unit("LCA.02", Link.NONE),
        unit("LCA.03", valid_from=date(2027, 1, 1)),
        unit("LCA.04", valid_to=date(2026, 1, 1)),
        unit("LCA.05", valid_to=date(2026, 1, 1), successor="LCA.06"),
        unit("LCA.06"),
    ]
    found = resolve(Directory(units), ["LCA.01", "LCA.03", "LCA.04", "LCA.06", "!LCA.05"], day)
    unused = resolve(Directory(units), ["LCA.06", "!LCA.02"], day)
    details = [*(item.detail for item in found.left_out), *(note.detail for note in (*found.notes, *unused.notes))]
    unknown = [detail for detail in details if not said(detail, VI) or said(detail, EN) != detail]
    assert unknown == ["waits until the unit has a line or the document is carried"], "its note says all of it"


def test_places_are_said_as_people_count() -> None:
    assert place_of("line 7, codes.0.code", VI) == ("dòng 7", "codes.0.code")
    assert place_of("line 7", VI) == ("dòng 7", "")
    assert place_of("line 31, [4].name", EN) == ("line 31, unit 5 of the array", "name")
    assert place_of("line 31, [4]", EN) == ("line 31, unit 5 of the array", "")
    assert place_of("LCA.05, valid_to", VI) == ("LCA.05", "valid_to")
    assert place_of("file", VI) == ("tệp", "")
    assert fault_of(FieldProblem("line 3, code", "stands at line 2 already"), VI).problem == "đã có ở dòng 2"


def test_a_sentence_that_is_not_known_stays_as_it_is() -> None:
    fault = fault_of(FieldProblem("line 3, code", "sings"), VI)
    assert (fault.problem, fault.is_known, said("sings", VI)) == ("sings", False, "")


def test_no_sentence_is_hidden_by_one_before_it() -> None:
    for sentence in SENTENCES:
        holes = {"rule": "LCA", "at": "3", "place": "line 2", "why": "x", "unit": "LCA", "brace": "}"}
        filled = sentence.text % _Any(holes)
        assert said(filled, VI) == VI(sentence.text) % _Any(holes | {"place": "dòng 2"})


def test_what_an_import_did_is_read_back() -> None:
    did = import_of("+3 ~20 -1 0123456789abcdef")
    assert did is not None
    assert (did.added, did.changed, did.retired, did.digest) == (3, 20, 1, "0123456789abcdef")
    assert import_of("what somebody wrote") is None


class _Any(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return "7"
