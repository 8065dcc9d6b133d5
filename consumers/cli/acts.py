"""``congvan gateway register`` and what else people do about a document: the desk's own acts, from a terminal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from consumers.cli.options import AsJson, DataDir, OfUnit
from consumers.cli.words import say

if TYPE_CHECKING:  # for names alone: the help must not wait for the database's library
    from sqlalchemy import Connection

    from consumers.reading.handling import Acting, Looked
    from consumers.reading.inbox import InboxEntry
    from consumers.spool import Spool
    from consumers.spool.people import Card, DeskRight

EXITS = (
    "Exit codes: 0 done, 2 wrong usage or several documents fit, 3 no such document or person, 4 the document's state, "
    "the register or that person's roles do not allow it, 5 the spool cannot be written now."
)
_DAY = "%Y-%m-%d"
Document = Annotated[
    str, typer.Argument(metavar="ID", help="Delivery id, 6 characters of its beginning or end, or the notation.")
]
By = Annotated[str, typer.Option(help="Who does it: a person of the desk, by their login.")]
Note = Annotated[str, typer.Option(help="Kept with the step.")]
Named = Annotated[list[str] | None, typer.Option(help="A login or a department; may be given more than once.")]


def register(
    document: Document,
    by: By,
    number: Annotated[
        int | None, typer.Option(min=1, help="A reserved number, or the next one as it was seen.")
    ] = None,
    book: Annotated[str, typer.Option(help="A register of its own; else the unit's general one.")] = "",
    recipients: Annotated[str, typer.Option(help="Department or person who gets it.")] = "",
    note: Annotated[str, typer.Option(help="What the register says beside it.")] = "",
    unit: OfUnit = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Enter a document in the arrival book, under the next number, with what its letter says."""
    import orjson

    from consumers.reading import handling
    from consumers.reading.inbox import letter_of
    from consumers.reading.suggesting import suggested
    from consumers.spool.people import DeskRight
    from consumers.spool.scope import UnitScope
    from schemas.model import parse
    from schemas.register import RegisterFields
    from schemas.zone import zone

    def act(spool: Spool, looked: Looked, who: Acting, entry: InboxEntry) -> None:
        with spool.reading() as conn:
            letter, today = letter_of(conn, entry.delivery_id), datetime.now(zone()).date()
            found = suggested(conn, UnitScope.of(who.units), entry, letter, today=today, zone=zone())
        said = found.model_dump(mode="json") | {"recipients": recipients, "note": note}
        fields = parse(RegisterFields, orjson.dumps(said), what="entry")
        handling.register(spool, looked, who, fields, book=book, number=number)

    do(data_dir, document, unit, by, DeskRight.REGISTER, act, as_json=as_json)


def refuse(
    document: Document,
    by: By,
    reason: Annotated[str, typer.Option(help="Why; the issuer reads it.")],
    unit: OfUnit = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Send a document back to its issuer."""
    from consumers.reading import handling
    from consumers.spool.people import DeskRight

    def act(spool: Spool, looked: Looked, who: Acting, _entry: InboxEntry) -> None:
        handling.refuse(spool, looked, who, reason)

    do(data_dir, document, unit, by, DeskRight.REGISTER, act, as_json=as_json)


def submit(
    document: Document,
    by: By,
    to: Annotated[str, typer.Option(help="The leader, by their login.")],
    note: Note = "",
    unit: OfUnit = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Put a registered document before a leader."""
    from consumers.reading import handling
    from consumers.spool.people import DeskRight

    def act(spool: Spool, looked: Looked, who: Acting, entry: InboxEntry) -> None:
        with spool.reading() as conn:
            leader = _one_who_may(conn, to, DeskRight.DIRECT, entry)
        handling.submit(spool, looked, who, leader, note)

    do(data_dir, document, unit, by, DeskRight.REGISTER, act, as_json=as_json)


def direct(
    document: Document,
    by: By,
    lead: Annotated[str, typer.Option(help="Who leads: a login or a department.")],
    instruction: Annotated[str, typer.Option(help="What is to be done.")] = "",
    coordinate: Named = None,
    know: Named = None,
    until: Annotated[datetime | None, typer.Option(formats=[_DAY], help="By which day.", metavar="DAY")] = None,
    unit: OfUnit = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say who leads, who helps, who is to know, by when."""
    from consumers.reading import handling
    from consumers.reading.handling import Direction
    from consumers.spool.people import DeskRight

    day = None if until is None else until.date()
    until_ms = None if day is None else _closing(day)
    others = tuple(coordinate or ()), tuple(know or ())

    def act(spool: Spool, looked: Looked, who: Acting, _entry: InboxEntry) -> None:
        handling.direct(spool, looked, who, Direction(instruction, lead, *others, day, until_ms))

    do(data_dir, document, unit, by, DeskRight.DIRECT, act, as_json=as_json)


def process(
    document: Document, by: By, note: Note = "", unit: OfUnit = "", data_dir: DataDir = None, as_json: AsJson = False
) -> None:
    """Say that somebody is at it, or note how far it is."""
    from consumers.reading import handling
    from consumers.spool.people import DeskRight

    def act(spool: Spool, looked: Looked, who: Acting, _entry: InboxEntry) -> None:
        handling.process(spool, looked, who, note)

    do(data_dir, document, unit, by, DeskRight.PROCESS, act, as_json=as_json)


def complete(
    document: Document,
    by: By,
    answer: Annotated[str, typer.Option(help="Number and notation of the document that answers it.")] = "",
    note: Note = "",
    unit: OfUnit = "",
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Say that a document is done."""
    from consumers.reading import handling
    from consumers.spool.people import DeskRight

    def act(spool: Spool, looked: Looked, who: Acting, _entry: InboxEntry) -> None:
        handling.complete(spool, looked, who, note, answer=answer)

    do(data_dir, document, unit, by, DeskRight.PROCESS, act, as_json=as_json)


def undo(document: str, by: str, reason: str, *, unit: str, data_dir: DataDir, as_json: bool) -> None:
    """Undo the last step as the desk does."""
    from consumers.reading import undoing
    from consumers.spool.people import DeskRight

    def needed(entry: InboxEntry) -> DeskRight:
        return undoing.RIGHT_TO_UNDO.get(entry.state, DeskRight.REGISTER)

    def act(spool: Spool, looked: Looked, who: Acting, _entry: InboxEntry) -> None:
        undoing.step_back(spool, looked, who, reason)

    do(data_dir, document, unit, by, needed, act, as_json=as_json)


ACTS: dict[Callable[..., None], tuple[str, str]] = {
    register: ("Enter a document in the arrival book.", "congvan gateway register 123-CV/TU --by hoa"),
    refuse: (
        "Send a document back to its issuer.",
        'congvan gateway refuse 123-CV/TU --by hoa --reason "Gửi sai nơi nhận"',
    ),
    submit: ("Put a registered document before a leader.", "congvan gateway submit 123-CV/TU --by hoa --to nam"),
    direct: (
        "Say who leads, who helps, who is to know, by when.",
        "congvan gateway direct 123-CV/TU --by nam --lead lan --until 2026-12-05",
    ),
    process: ("Say that somebody is at it, or note how far it is.", "congvan gateway process 123-CV/TU --by lan"),
    complete: (
        "Say that a document is done.",
        "congvan gateway complete 123-CV/TU --by lan --answer 45-BC/ĐU",
    ),
}
"""Each act with what it does in a line, and an example."""


def add_acts(app: typer.Typer) -> None:
    """Add them to a group of commands."""
    for act, (help_line, example) in ACTS.items():
        app.command(act.__name__, short_help=say(help_line), epilog=f"Example: {example}. {EXITS}")(act)


def do(
    data_dir: DataDir,
    document: str,
    unit: str,
    by: str,
    right: DeskRight | Callable[[InboxEntry], DeskRight],
    act: Callable[[Spool, Looked, Acting, InboxEntry], None],
    *,
    as_json: bool,
) -> None:
    """Act on one document as a person who may, and say how it stands then."""
    from consumers.cli.options import opened_spool, the_one
    from consumers.cli.showing import say_written
    from consumers.reading.handling import Acting, looked_at
    from consumers.reading.inbox import get_entry
    from consumers.spool.people import PEOPLE, seen_by
    from consumers.spool.scope import UnitScope
    from schemas.clock import now_ms

    with opened_spool(data_dir) as spool:
        found = the_one(spool, document, unit=unit)
        with spool.reading() as conn:
            entry, looked, _ = looked_at(conn, found.delivery_id, UnitScope.whole(found.unit))
            needed = right(entry) if callable(right) else right
            card = _one_who_may(conn, by, needed, entry)
            person = PEOPLE.find(conn, by)
            units = seen_by(person, [entry.unit], needed) if person else ()
        act(spool, looked, Acting(card, now_ms(), units), entry)
        entry = get_entry(spool, entry.delivery_id)
    say_written(entry, as_json=as_json)


def _one_who_may(conn: Connection, login: str, right: DeskRight, entry: InboxEntry) -> Card:
    """The card of somebody who has a right at the document's unit, and may see it.

    Raises:
        DeskForbiddenError: nobody of that login has.
    """
    from consumers.errors import DeskForbiddenError
    from consumers.spool.people import holders

    able = {card.login: card for card in holders(conn, entry.unit, right, secret=entry.secret)}
    if login not in able:
        known = ", ".join(sorted(able)) or "nobody"
        raise DeskForbiddenError(
            f"{login} may not {right.value} at {entry.unit} ({known} may); `congvan desk people invite` gives roles"
        )
    return able[login]


def _closing(day: date) -> int:
    from schemas.office import office_terms

    return office_terms().calendar.closing(day)
