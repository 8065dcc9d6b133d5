"""How the gateway's commands show documents: tables for people, JSON for programs."""

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumers.line.openings import local_clock
from consumers.reading.coming import Coming
from consumers.reading.inbox import InboxEntry, InboxReceipt
from schemas.clock import iso, to_ms
from schemas.descriptor import Descriptor
from schemas.states import Status
from schemas.zone import local_time as written

URGENCY_WORDS = ("thường", "khẩn", "thượng khẩn", "hỏa tốc", "hỏa tốc hẹn giờ")
_STYLES = {Status.PARKED: "bold red", Status.TAKEN: "yellow", Status.ARRIVED: "bold green"}
_HEADINGS = ("id", "taken", "unit", "state", "urgency", "number", "subject", "size", "why")
_NARROW = frozenset(_HEADINGS[:5])
"""Columns that are not broken."""
_WIDE = 130
"""Characters of a terminal on which every column has room; a smaller one shows number and subject first of all."""
_ON_A_SMALL_SCREEN = tuple(map(_HEADINGS.index, ("id", "number", "subject", "state", "taken")))
_NEVER_WRAPPED = frozenset({"id", "number", "state", "taken"})
_SHORT_ID = 12
_KIB = 1024
_SHORT_SECONDS = 60
_LONG_MINUTES = 90


def show_entries(entries: Sequence[InboxEntry], on_their_way: Sequence[Coming], *, as_json: bool) -> None:
    """A line per document: a JSON object, a table's row on a terminal, else values with tabs between them."""
    coming = {item.entry.delivery_id: item for item in on_their_way}
    if as_json:
        for entry in entries:
            print_json(entry_fields(entry, coming.get(entry.delivery_id)))
    elif sys.stdout.isatty():
        _print_table(entries, coming)
    else:
        for line in (_HEADINGS, *(_words(entry, coming.get(entry.delivery_id)) for entry in entries)):
            print("\t".join(line))


def show_document(
    entry: InboxEntry,
    descriptor: Descriptor,
    told: Sequence[InboxReceipt],
    coming: Coming | None = None,
    *,
    as_json: bool,
) -> None:
    """One document with its letter, its files and its receipts."""
    if as_json:
        letter = descriptor.model_dump(mode="json", exclude={"attachments": {"__all__": {"inline"}}, "record": True})
        receipts = [_told_fields(item) for item in told]
        print_json({**entry_fields(entry, coming), "dispatch": letter, "receipts": receipts})
        return
    console = Console(soft_wrap=True)
    table = Table.grid(padding=(0, 2))
    for name, value in _lines(entry, descriptor, coming):
        table.add_row(Text(name, style="bold"), Text(value))
    console.print(table)
    for item in told:
        console.print(Text(_sentence(item)))


def say_written(entry: InboxEntry, *, as_json: bool) -> None:
    """That a receipt is in the spool."""
    if as_json:
        print_json(entry_fields(entry))
        return
    sentence = f"{entry.notation} at {entry.unit} is {entry.state.value} now; the receipt goes out with the next burst."
    Console(soft_wrap=True).print(Text(sentence))


def size_words(size: int) -> str:
    """``812 B``, ``4.9 MiB``."""
    amount, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if amount < _KIB:
            break
        amount, unit = amount / _KIB, larger
    return f"{size} B" if unit == "B" else f"{amount:.1f} {unit}"


def how_far(coming: Coming) -> str:
    """``3.0 of 5.0 MiB, about 8 min``; empty when nothing is fetched for it."""
    if not coming.total:
        return ""
    from_when = f", from {local_clock(coming.opens_at)}" if coming.opens_at else ""
    if not coming.listed:
        return f"its list of files is on its way{from_when}"
    share = f"{_amount(coming.held, coming.total)} of {size_words(coming.total)}{from_when}"
    return share if coming.seconds is None else f"{share}, {time_words(coming.seconds)}"


def time_words(seconds: float) -> str:
    """``about 40 s``, ``about 8 min``, ``about 3 h 20 min``: no more exact than such a thing can be known.

    >>> time_words(3), time_words(100), time_words(12_000)
    ('about 10 s', 'about 2 min', 'about 3 h 20 min')
    """
    if seconds <= _SHORT_SECONDS:
        return f"about {max(1, math.ceil(seconds / 10)) * 10} s"
    minutes = math.ceil(seconds / 60)
    if minutes < _LONG_MINUTES:
        return f"about {minutes} min"
    hours, minutes = divmod(math.ceil(minutes / 10) * 10, 60)
    return f"about {hours} h {minutes} min" if minutes else f"about {hours} h"


def _amount(size: int, whole: int) -> str:
    """A size in the unit that the whole is written in."""
    power = sum(whole >= _KIB**power for power in (1, 2, 3))
    return f"{size / _KIB**power:.1f}" if power else str(size)


def _print_table(entries: Sequence[InboxEntry], coming: Mapping[str, Coming]) -> None:
    if not entries:
        print("No documents.")
        return
    console = Console()
    is_wide = console.width >= _WIDE
    shown = range(len(_HEADINGS)) if is_wide else _ON_A_SMALL_SCREEN
    table = Table(*(_HEADINGS[place] for place in shown), box=None, pad_edge=False)
    for column in table.columns:
        column.no_wrap = column.header in (_NARROW if is_wide else _NEVER_WRAPPED)
    for entry in entries:
        here = coming.get(entry.delivery_id)
        cells = [Text(word) for word in _words(entry, here)]
        cells[0] = cells[0][-_SHORT_ID:]  # its end is enough for the other commands
        cells[3].stylize(_STYLES.get(entry.state, ""))
        if not is_wide:
            cells[1] = cells[1][5:]  # without the year
            cells[6].append(f" ({entry.unit}; {cells[4].plain}; {cells[7].plain})", style="dim")
            if entry.reason:
                cells[6].append(f"\n{entry.reason}", style="dim")
        if here is not None and here.flash_text:
            cells[6].append(f"\n{here.flash_text}", style="italic")
        table.add_row(*(cells[place] for place in shown))
    console.print(table)


def _words(entry: InboxEntry, coming: Coming | None) -> tuple[str, ...]:
    return (
        entry.delivery_id,
        local_time(entry.taken_at),
        entry.unit,
        entry.state.value,
        URGENCY_WORDS[entry.urgency],
        entry.notation,
        entry.subject,
        (coming and how_far(coming)) or size_words(entry.fetch_bytes),
        entry.reason,
    )


def _lines(entry: InboxEntry, descriptor: Descriptor, coming: Coming | None) -> Iterator[tuple[str, str]]:
    yield "delivery", entry.delivery_id
    yield "dispatch", entry.dispatch_id
    yield "unit", f"{entry.unit}, its document {entry.seq}"
    yield "number", f"{entry.notation} ({descriptor.type}, {entry.kind.value})"
    yield "subject", entry.subject
    yield "issuer", ", ".join(filter(None, (entry.issuer, descriptor.signer, descriptor.place)))
    yield "urgency", URGENCY_WORDS[entry.urgency]
    reason = f": {entry.reason}" if entry.reason else ""
    yield "state", f"{entry.state.value} since {local_time(entry.state_at)}{reason}"
    if coming is not None and coming.total:
        yield "here", how_far(coming)
    if entry.attempts:
        yield "tries", f"{entry.attempts} of the sink"
    if descriptor.due:
        yield "due", local_time(to_ms(descriptor.due))
    for file in descriptor.attachments:
        yield "file", f"{file.name} ({file.media_type}, {size_words(file.size)}, SHA-256 {file.sha256})"
    if descriptor.record is not None:
        yield "file", "the list of files is on its way"
    if descriptor.flash_text:
        yield "text", descriptor.flash_text


def _sentence(told: InboxReceipt) -> str:
    who = ", ".join(filter(None, (told.person, told.department)))
    number = f" under number {told.register_number}" if told.register_number else ""
    sent = "" if told.sent_at else " (not sent yet)"
    by = f" by {who}" if who else ""
    reason = f": {told.reason}" if told.reason else ""
    what = "undone, " if told.undoes else "put right, " if told.corrects else ""
    return f"{written(to_ms(datetime.fromisoformat(told.at)))}  {what}{told.status.value}{number}{by}{reason}{sent}"


def entry_fields(entry: InboxEntry, coming: Coming | None = None) -> dict[str, Any]:
    """What JSON says of a document; ``coming`` is null unless it is on its way."""
    times = {"taken_at": iso(entry.taken_at), "state_at": iso(entry.state_at)}
    return asdict(entry) | times | {"coming": coming and _coming_fields(coming)}


def _coming_fields(coming: Coming) -> dict[str, Any]:
    return {
        "held": coming.held,
        "total": coming.total,
        "seconds_left": None if coming.seconds is None else round(coming.seconds),
        "opens_at": coming.opens_at and coming.opens_at.isoformat(),
        "flash_text": coming.flash_text,
    }


def _told_fields(told: InboxReceipt) -> dict[str, Any]:
    return asdict(told) | {"sent_at": iso(told.sent_at) if told.sent_at else None}


def local_time(ms: int) -> str:
    """A moment in the organisation's zone, to the minute."""
    return written(ms)[:-3]


def print_json(value: object) -> None:
    """A line of JSON."""
    print(orjson.dumps(value).decode(), flush=True)
