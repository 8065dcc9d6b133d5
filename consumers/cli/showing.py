"""How the gateway's commands show documents: tables for people, JSON for programs."""

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumers.cli.words import URGENCIES, moment_words, plainly, say, state_words
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
        table.add_row(Text(say(name), style="bold"), Text(value))
    console.print(table)
    for item in told:
        console.print(Text(_sentence(item)))


def say_written(entry: InboxEntry, *, as_json: bool) -> None:
    """That a receipt is in the spool."""
    if as_json:
        print_json(entry_fields(entry))
        return
    sentence = say(
        "%(notation)s at %(unit)s is now: %(state)s. The receipt goes out with the next burst.",
        notation=entry.notation,
        unit=entry.unit,
        state=state_words(entry.state),
    )
    Console(soft_wrap=True).print(Text(sentence))


def size_words(size: int) -> str:
    """``812 B``, ``4.9 MiB``."""
    amount, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB"):
        if amount < _KIB:
            break
        amount, unit = amount / _KIB, larger
    return f"{size} B" if unit == "B" else f"{amount:.1f} {unit}"


def how_far(coming: Coming, said: Callable[..., str] = say) -> str:
    """``3.0 of 5.0 MiB, about 8 min``; empty when nothing is fetched for it. ``said`` puts it into words."""
    if not coming.total:
        return ""
    from_when = said(", from %(time)s", time=local_clock(coming.opens_at)) if coming.opens_at else ""
    if not coming.listed:
        return said("its list of files is on its way%(when)s", when=from_when)
    held, total = _amount(coming.held, coming.total), size_words(coming.total)
    share = said("%(held)s of %(total)s%(when)s", held=held, total=total, when=from_when)
    return share if coming.seconds is None else f"{share}, {time_words(coming.seconds, said)}"


def time_words(seconds: float, said: Callable[..., str] = say) -> str:
    """``about 40 s``, ``about 8 min``, ``about 3 h 20 min``: no more exact than such a thing can be known.

    >>> time_words(3), time_words(100), time_words(12_000)
    ('about 10 s', 'about 2 min', 'about 3 h 20 min')
    """
    if seconds <= _SHORT_SECONDS:
        return said("about %(count)s s", count=max(1, math.ceil(seconds / 10)) * 10)
    minutes = math.ceil(seconds / 60)
    if minutes < _LONG_MINUTES:
        return said("about %(count)s min", count=minutes)
    hours, minutes = divmod(math.ceil(minutes / 10) * 10, 60)
    if minutes:
        return said("about %(hours)s h %(count)s min", hours=hours, count=minutes)
    return said("about %(count)s h", count=hours)


def _amount(size: int, whole: int) -> str:
    """A size in the unit that the whole is written in."""
    power = sum(whole >= _KIB**power for power in (1, 2, 3))
    return f"{size / _KIB**power:.1f}" if power else str(size)


def _print_table(entries: Sequence[InboxEntry], coming: Mapping[str, Coming]) -> None:
    if not entries:
        print(say("No documents."))
        return
    console = Console()
    is_wide = console.width >= _WIDE
    shown = range(len(_HEADINGS)) if is_wide else _ON_A_SMALL_SCREEN
    table = Table(box=None, pad_edge=False)
    for name in (_HEADINGS[place] for place in shown):
        table.add_column(say(name), no_wrap=name in (_NARROW if is_wide else _NEVER_WRAPPED))
    for entry in entries:
        here = coming.get(entry.delivery_id)
        cells = [Text(word) for word in _words(entry, here)]
        cells[0] = cells[0][-_SHORT_ID:]  # its end is enough for the other commands
        cells[1] = Text(moment_words(entry.taken_at, with_year=is_wide))
        cells[3] = Text(state_words(entry.state), _STYLES.get(entry.state, ""))
        cells[4] = Text(say(URGENCIES[entry.urgency]))
        cells[7] = Text((here and how_far(here)) or size_words(entry.fetch_bytes))
        if not is_wide:
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
        (coming and how_far(coming, plainly)) or size_words(entry.fetch_bytes),
        entry.reason,
    )


def _lines(entry: InboxEntry, descriptor: Descriptor, coming: Coming | None) -> Iterator[tuple[str, str]]:
    yield "delivery", entry.delivery_id
    yield "dispatch", entry.dispatch_id
    yield "unit", say("%(unit)s, its document %(seq)s", unit=entry.unit, seq=entry.seq)
    yield "number", f"{entry.notation} ({descriptor.type}, {entry.kind.value})"
    yield "subject", entry.subject
    yield "issuer", ", ".join(filter(None, (entry.issuer, descriptor.signer, descriptor.place)))
    yield "urgency", say(URGENCIES[entry.urgency])
    reason = f": {entry.reason}" if entry.reason else ""
    since = say("%(state)s since %(time)s", state=state_words(entry.state), time=moment_words(entry.state_at))
    yield "state", f"{since}{reason}"
    if coming is not None and coming.total:
        yield "here", how_far(coming)
    if entry.attempts:
        yield "tries", str(entry.attempts)
    if descriptor.due:
        yield "due", moment_words(to_ms(descriptor.due))
    for file in descriptor.attachments:
        yield "file", f"{file.name} ({file.media_type}, {size_words(file.size)}, SHA-256 {file.sha256})"
    if descriptor.record is not None:
        yield "file", say("the list of files is on its way")
    if descriptor.flash_text:
        yield "text", descriptor.flash_text


def _sentence(told: InboxReceipt) -> str:
    who = ", ".join(filter(None, (told.person, told.department)))
    number = say("under number %(number)s", number=told.register_number) if told.register_number else ""
    sent = "" if told.sent_at else f" ({say('not sent yet')})"
    by = say("by %(who)s", who=who) if who else ""
    reason = f": {told.reason}" if told.reason else ""
    what = f"{say('undone')}: " if told.undoes else f"{say('put right')}: " if told.corrects else ""
    said = " ".join(filter(None, (f"{what}{state_words(told.status)}", number, by)))
    return f"{moment_words(to_ms(datetime.fromisoformat(told.at)))}  {said}{reason}{sent}"


def entry_fields(entry: InboxEntry, coming: Coming | None = None) -> dict[str, Any]:
    """What JSON says of a document; ``coming`` is null unless it is on its way."""
    registered = None if entry.registered_at is None else iso(entry.registered_at)
    times = {"taken_at": iso(entry.taken_at), "state_at": iso(entry.state_at), "registered_at": registered}
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
