"""A plan as people read it: in sum, by kind of link, and the units that it reaches last."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from router.cli.console_output import local_time, print_table
from schemas.clock import to_ms

WORST = 10
"""Units that are named: those that are reached last."""
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def print_plan(found: Mapping[str, Any]) -> None:
    """Print what the web API answered."""
    print(_sum_of(found))
    if found["attachments"]:
        print()
        print_table(("attachment", "bytes", "zstd", "dcz"), [_file_row(file) for file in found["attachments"]])
    print()
    print_table(("link", "units", "never", "half by", "all by", "bytes"), [_group_row(it) for it in found["groups"]])
    for line in assumptions(found["units"]):
        print(line)
    last = worst(found["units"])
    if last:
        print(f"\nreached last, {len(last)} of {found['count'] - found['never']}")
        print_table(("arrives", "in", "unit", "name", "link", "on the line", "remarks"), [_row(unit) for unit in last])
    if found["left_out"]:
        print(f"\n{len(found['left_out'])} left out")
        print_table(
            ("unit", "reason", "detail"), [(it["unit"], it["reason"], it["detail"]) for it in found["left_out"]]
        )
    for note in found["notes"]:
        if not note["unit"]:
            print(f"\nnote: {note['detail']}")


def worst(units: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of the units that are reached, those that are reached last, the last one first."""
    return [unit for unit in units if unit["seconds"] is not None][: -WORST - 1 : -1]


def assumptions(units: Sequence[Mapping[str, Any]]) -> list[str]:
    """What stands behind the times and was not measured, and whom no line reaches."""
    remarks = Counter(remark for unit in units for remark in unit["remarks"])
    rates = Counter((unit["link"], unit["rate"]) for unit in units if "rate_assumed" in unit["remarks"])
    told = [f"{link} lines never measured: {count}; {rate:,} B/s assumed" for (link, rate), count in rates.items()]
    if down := remarks["line_down"]:
        told.append(f"lines that are down: {down}; counted as if they came up now")
    if by_hand := remarks["by_hand"]:
        told.append(f"units without a line: {by_hand}; by hand, never by itself")
    if paused := remarks["paused"]:
        told.append(f"units that are paused: {paused}; not before somebody resumes them")
    return told


def span(seconds: float | None) -> str:
    """A time to wait, in the unit that people would say; empty when there is none.

    >>> span(4.2), span(150), span(7500), span(200000), span(None)
    ('4 s', '2 min 30 s', '2 h 5 min', '2 d 7 h', '')
    """
    if seconds is None:
        return ""
    whole = round(seconds)
    for unit, name, smaller, below in ((_DAY, "d", _HOUR, "h"), (_HOUR, "h", _MINUTE, "min"), (_MINUTE, "min", 1, "s")):
        if whole >= unit:
            rest = whole % unit // smaller
            return f"{whole // unit} {name}" + (f" {rest} {below}" if rest else "")
    return f"{whole} s"


def _sum_of(found: Mapping[str, Any]) -> str:
    never = f"; {found['never']} of them it never reaches by itself" if found["never"] else ""
    least = "" if found["whole"] else " (at least: there is more on its way than was counted)"
    told = f"if sent now: {found['count']} addressees{never}; {found['bytes']:,} bytes on all lines together{least}"
    return f"{told}\nnothing was sent"


def _file_row(file: Mapping[str, Any]) -> tuple[object, ...]:
    dcz = file["dcz_size"]
    with_dictionary = f"{dcz:,} to who holds {file['dictionary'][:8]}" if dcz is not None else ""
    packed = "inside the message" if file["inline"] else "" if file["zstd_size"] is None else f"{file['zstd_size']:,}"
    return file["name"], f"{file['size']:,}", packed, with_dictionary


def _group_row(item: Mapping[str, Any]) -> tuple[object, ...]:
    times = span(item["median_seconds"]), span(item["longest_seconds"])
    return item["link"], item["units"], item["never"] or "", *times, f"{item['bytes']:,}"


def _row(unit: Mapping[str, Any]) -> tuple[object, ...]:
    at = local_time(to_ms(datetime.fromisoformat(unit["arrives_at"])))
    remarks = ", ".join(remark.replace("_", " ") for remark in unit["remarks"])
    return at, span(unit["seconds"]), unit["unit"], unit["name"], unit["link"], span(unit["line_seconds"]), remarks
