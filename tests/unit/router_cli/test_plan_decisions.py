"""What a plan says to people: times in the unit they would say, and the units that are reached last."""

from typing import Any

import pytest

from router.cli.showing_plan import WORST, assumptions, print_plan, span, worst


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, ""),
        (0, "0 s"),
        (4.2, "4 s"),
        (59.6, "1 min"),
        (150, "2 min 30 s"),
        (3600, "1 h"),
        (7500, "2 h 5 min"),
        (200_000, "2 d 7 h"),
    ],
)
def test_a_time_to_wait_is_said_in_the_unit_that_people_would_say(seconds: float | None, said: str) -> None:
    assert span(seconds) == said


def unit(code: str, seconds: float | None) -> dict[str, Any]:
    arrives = None if seconds is None else "2026-11-22T05:04:03.210Z"
    given = {"unit": code, "name": f"Đơn vị {code}", "link": "dialup", "arrives_at": arrives, "seconds": seconds}
    return given | {"line_seconds": 1.5, "rate": 4000, "remarks": ["by_hand"] if seconds is None else ["rate_assumed"]}


def a_plan(units: list[dict[str, Any]]) -> dict[str, Any]:
    never = sum(item["seconds"] is None for item in units)
    group = {"link": "dialup", "units": len(units), "never": never, "bytes": 12_000}
    group |= {"median_seconds": 90.0, "longest_seconds": 7500.0}
    file = {"name": "a.docx", "size": 60_000, "inline": False, "zstd_size": 40_000, "dcz_size": 3_000}
    return {
        "count": len(units),
        "never": never,
        "bytes": 12_000,
        "whole": True,
        "attachments": [file | {"dictionary": "ab" * 32}],
        "groups": [group],
        "units": units,
        "left_out": [{"unit": "LCA.04", "reason": "own_network", "detail": "on a network of its own"}],
        "notes": [{"code": "exclusion_unused", "unit": "", "detail": "the rule '!LCA.09' takes nobody out"}],
    }


def test_those_reached_last_are_named_and_those_never_reached_are_not() -> None:
    units = [unit(f"LCA.{number:02}", number) for number in range(20)] + [unit("LCA.99", None)]
    assert [item["unit"] for item in worst(units)] == [f"LCA.{number:02}" for number in range(19, 19 - WORST, -1)]
    assert worst([unit("LCA.99", None)]) == []
    assert [item["unit"] for item in worst(units[:2])] == ["LCA.01", "LCA.00"]


def test_a_plan_is_printed_in_sum_by_link_and_with_what_stands_behind_it(capsys: pytest.CaptureFixture[str]) -> None:
    print_plan(a_plan([unit("LCA.01", 7500), unit("LCA.99", None)]))
    out = capsys.readouterr().out
    assert "2 addressees; 1 of them it never reaches by itself; 12,000 bytes" in out
    assert "nothing was sent" in out
    assert "a.docx\t60,000\t40,000\t3,000 to who holds abababab" in out
    assert "dialup\t2\t1\t1 min 30 s\t2 h 5 min\t12,000" in out
    assert "reached last, 1 of 1" in out
    assert "2 h 5 min\tLCA.01\tĐơn vị LCA.01\tdialup\t2 s\trate assumed" in out
    assert "LCA.99" not in out
    assert "LCA.04\town_network" in out
    assert "note: the rule '!LCA.09' takes nobody out" in out


def test_what_was_not_measured_is_said() -> None:
    measured = unit("LCA.03", 5) | {"remarks": ["line_down"]}
    paused = unit("LCA.98", None) | {"remarks": ["paused"]}
    told = assumptions([unit("LCA.01", 7500), unit("LCA.02", 9), measured, paused, unit("LCA.99", None)])
    assert told == [
        "dialup lines never measured: 2; 4,000 B/s assumed",
        "lines that are down: 1; counted as if they came up now",
        "units without a line: 1; by hand, never by itself",
        "units that are paused: 1; not before somebody resumes them",
    ]


def test_a_backlog_that_was_not_counted_whole_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    print_plan(a_plan([unit("LCA.01", 1)]) | {"whole": False, "attachments": []})
    assert "at least" in capsys.readouterr().out
