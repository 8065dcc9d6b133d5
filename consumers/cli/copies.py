"""``congvan desk copy``, ``recovery-key``, ``restore``, ``next-number``: the books outlive the PC."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from consumers.cli.options import AsJson, DataDir, opened_spool, settings_with
from schemas.register import BookKind

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from consumers.copies.gathering import Gathered
    from consumers.copies.restoring import RestoredBooks
    from consumers.spool import Spool
    from consumers.spool.book_entries import BookKey

COPY_EPILOG = (
    "Example: congvan desk copy. Exit codes: 0 made, or asked for, 3 no gateway has run here, 4 it could not be made: "
    "the stick is not plugged in, full, or what was written is damaged."
)
KEY_EPILOG = (
    "Examples: congvan desk recovery-key | lp · congvan desk recovery-key --sheet key.html. Exit codes: 0 made, 3 no "
    "gateway has run here, 4 there is one already, 5 the spool cannot be used now."
)
RESTORE_EPILOG = (
    "Examples: congvan desk restore --from /media/stick/congvan-LCA.02.05-1f6f3f0f-2026-11-29T010000Z.sqlite3 · "
    "congvan desk restore --recovery-key - · congvan desk restore --from-receipts. Exit codes: 0 the books are back, 2 "
    "wrong usage, 4 the copy cannot be read or put back and nothing was changed, or a gateway runs here, 5 the spool "
    "cannot be used now."
)
NEXT_EPILOG = (
    "Example: congvan desk next-number LCA.02.05 --next 58. Exit codes: 0 said, 3 no gateway has run here, 4 it cannot "
    "be the next number, or nothing is to be said, 5 the spool cannot be used now."
)
_KEY_LINES = 10


def copy(data_dir: DataDir = None) -> None:
    """Make the copy of the day now, and have one go to the router when the line is idle.

    The first goes where CONGVAN_GATEWAY_BACKUP_DIR says; the second needs a recovery key and a gateway that runs.
    """
    from consumers.copies import key
    from consumers.copies.daily import copy_now, place_of
    from consumers.copies.standing import Place, ask
    from schemas.clock import now_ms

    settings = settings_with(data_dir=data_dir)
    with opened_spool(settings.data_dir, to_read=True) as spool:
        with spool.reading() as conn:
            has_key = bool(key.recipient_of(conn))
        place = place_of(settings, spool)
        if has_key:
            ask(settings.data_dir, Place.ROUTER, now_ms())
            print("the router gets a copy as soon as the line is idle")
        else:
            print("the router gets none: `congvan desk recovery-key` makes the key that it is encrypted to")
        if place is None:
            print("no second place is set: CONGVAN_GATEWAY_BACKUP_DIR")
        else:
            print(copy_now(settings.data_dir, place))


def recovery_key(
    replace: Annotated[bool, typer.Option("--replace", help="Make another; the next copy holds everything.")] = False,
    sheet: Annotated[Path | None, typer.Option(help="Write a page to print there instead of showing the key.")] = None,
    data_dir: DataDir = None,
) -> None:
    """Make the key that opens the router's copy of the books, and show it once, for paper.

    This machine keeps only what encrypts to it. Without the sheet nobody reads the copies, not even the router.
    """
    from consumers.copies import key
    from consumers.copies.sheet import RecoverySheet
    from consumers.copies.standing import Place, ask
    from consumers.errors import CopyError
    from consumers.spool import journal
    from consumers.spool.journal import JournalAct, JournalEntry
    from router.storage.files import write_file
    from schemas.clock import now_ms, today
    from schemas.zone import zone

    settings = settings_with(data_dir=data_dir)
    head, now = settings.units.removesuffix(".#"), now_ms()
    identity = key.new_identity()
    recipient = str(identity.to_public())
    made = RecoverySheet(str(identity), recipient, head or "?", today(zone().key))
    with opened_spool(settings.data_dir) as spool, spool.writing() as conn:
        before = key.recipient_of(conn)
        if before and not replace:
            raise CopyError(
                f"there is a recovery key already, with the check {key.check_of(before)}; `--replace` makes another"
            )
        key.keep_recipient(conn, recipient)
        who = f"{getpass.getuser()} (command)"
        act = JournalEntry(now, who, JournalAct.RECOVERY_KEY_MADE, head, key.check_of(recipient))
        journal.record(conn, act)
        ask(settings.data_dir, Place.ROUTER, now)
        if sheet is None:
            print(made.text(), flush=True)  # before it counts: a key that nobody has seen opens nothing
        else:
            write_file(sheet, made.html().encode(), mode=0o600)
            print(f"{sheet} holds the key: print it, then delete it", file=sys.stderr)


def restore(
    from_: Annotated[Path | None, typer.Option("--from", metavar="FILE", help="A copy of the database.")] = None,
    recovery_key: Annotated[
        str, typer.Option(metavar="FILE", help="The router's copy, by the key in a file; - asks for it.")
    ] = "",
    from_receipts: Annotated[
        bool, typer.Option("--from-receipts", help="Without any copy: what the router's ledger knows.")
    ] = False,
    without_router: Annotated[
        bool, typer.Option("--without-router", help="Do not ask what the ledger knows beyond the copy.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Give up the entries that are here.")] = False,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Put the books back on a machine that was set up anew. The gateway has to be stopped.

    What the copy does not hold any more is written anew from the ledger's receipts. No number is given in a restored
    register before somebody has looked at the last stamp on paper and said which comes next: `congvan desk next-number`
    or the register's page.
    """
    import asyncio

    from consumers.copies import gathering, key
    from consumers.copies.origin import copy_origin
    from consumers.spool.store import hosting_alone, open_spool
    from schemas.clock import now_ms

    if (from_ is not None) + bool(recovery_key) + from_receipts != 1:
        raise typer.BadParameter("one of --from, --recovery-key and --from-receipts says where the books come from")
    if without_router and from_ is None:
        raise typer.BadParameter("--without-router belongs to --from: everything else is the router's")
    settings = settings_with(data_dir=data_dir)
    if not settings.units:
        raise typer.BadParameter("CONGVAN_GATEWAY_UNITS says whose books they are")

    async def gather() -> Gathered:
        copy = None if from_ is None else gathering.from_file(from_, settings.units)
        if copy is not None and without_router:
            return copy
        identity = key.typed(_typed(recovery_key)) if recovery_key else None
        async with copy_origin(settings) as origin:
            return await gathering.from_router(origin, copy=copy, identity=identity)

    with hosting_alone(settings.data_dir):
        gathered = asyncio.run(gather())
        spool, who = open_spool(settings.data_dir), f"{getpass.getuser()} (command)"
        try:
            with spool.writing() as conn:
                found = gathering.put_back(conn, gathered, settings.units, who, now_ms(), replace=replace)
            _show(spool, gathered, found, as_json=as_json)
        finally:
            spool.close()


def next_number(
    unit: Annotated[str, typer.Argument(metavar="UNIT", help="Whose register.")],
    following: Annotated[int, typer.Option("--next", help="The number that comes next, as the last stamp shows it.")],
    kind: Annotated[BookKind, typer.Option(help="Which register.")] = BookKind.INCOMING,
    year: Annotated[int | None, typer.Option(help="Of which year; else this one.")] = None,
    book: Annotated[str, typer.Option(help="The name of a register of its own; else the general one.")] = "",
    begin: Annotated[bool, typer.Option("--begin", help="Begin a register that did not come back.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Say which number comes next in a restored register.

    What lies between the last number that is known and this one stays given: each is filled from the paper it is on.
    Of the register of state secrets it is said at the desk, by who may see it.
    """
    from consumers.spool import confirming, journal
    from consumers.spool.book_entries import BookKey, EntryAuthor
    from consumers.spool.confirming import REASON
    from consumers.spool.journal import JournalAct, JournalEntry
    from schemas.clock import now_ms, today
    from schemas.zone import zone

    now, who = now_ms(), f"{getpass.getuser()} (command)"
    key = BookKey(unit, kind, year or today(zone().key).year, book)
    with opened_spool(data_dir) as spool, spool.writing() as conn:
        _require_meant(conn, key, begin=begin)
        lost = confirming.confirm(conn, key, following, EntryAuthor(who, now, reason=REASON))
        journal.record(conn, JournalEntry(now, who, JournalAct.NEXT_NUMBER_SAID, unit, str(key), str(following)))
    told = f"; {len(lost)} numbers from {lost[0]} to {lost[-1]} are to be filled from the paper" if lost else ""
    print(f"the next number of the {key} is {following}{told}")


def _require_meant(conn: Connection, key: BookKey, *, begin: bool) -> None:
    """Go on only with a register that there is, or may have been; nobody learns here what is in that of secrets.

    Raises:
        BookError: it is a state secret's, another unit's, or mistyped.
    """
    from consumers.errors import BookError
    from consumers.spool import confirming
    from consumers.spool.book_entries import find_book

    if key.secret:
        raise BookError("of state secrets it is said at the desk, on the register's page, by who may see them")
    if key.unit not in (units := confirming.units_known(conn)):
        raise BookError(f"{key.unit} has no registers here; {', '.join(units[:5]) or 'no unit'} has")
    if key.name and not begin and find_book(conn, key) is None:
        raise BookError(f"the {key} is not known here: is its name right? `--begin` begins it")


def _typed(source: str) -> list[str]:
    """The lines of a key: from a file, or as they are typed until an empty one.

    Raises:
        CopyError: the file cannot be read.
    """
    from consumers.errors import CopyError

    if source != "-":
        try:
            return Path(source).read_text(errors="replace").splitlines()[:_KEY_LINES]
        except OSError as error:
            raise CopyError(f"the recovery key cannot be read: {error}") from error
    if sys.stdin.isatty():
        print("the recovery key, line by line; an empty line ends it:", file=sys.stderr)
    lines: list[str] = []
    for line in sys.stdin:
        if not line.strip() or len(lines) == _KEY_LINES:
            break
        lines.append(line)
    return lines


def _show(spool: Spool, gathered: Gathered, found: RestoredBooks, *, as_json: bool) -> None:
    from dataclasses import asdict

    from consumers.cli.showing import print_json
    from consumers.copies.gathering import without_files
    from consumers.spool.book_entries import books
    from consumers.spool.scope import UnitScope

    lacking = without_files(spool)
    with spool.reading() as conn:
        kept = books(conn, UnitScope(tuple(gathered.units)))  # of state secrets the desk tells who may see them
    if as_json:
        told = [{"register": str(book.key), "last": book.last, "to_be_said": book.unconfirmed} for book in kept]
        counted = asdict(found) | {"without_files": lacking}
        print_json({"source": gathered.copy.words, **counted, "registers": told})
        return
    print(f"from {gathered.copy.words}: {found.rows['book_entry']} entries, {found.rows['journal']} acts")
    for unit, made in found.rewritten.items():
        print(
            f"{unit}: {made.entries} entries written anew from receipts ({made.elsewhere} in a register beside), "
            f"{made.unreadable} receipts whose number is none"
        )
    if found.missing:
        print(f"{found.missing} documents that the unit still deals with are not here, as they came after the copy")
    if lacking:
        print(f"{lacking} documents are here without their files, as no copy holds those")
    if found.missing or lacking:
        print("they do not come again by themselves: ask who issued those that are needed to send them once more")
    for book in kept:
        print(f"{book.key}: the last number known is {book.last}{'; say the next one' if book.unconfirmed else ''}")
    print("look at the last stamp on paper, then say which number comes next: `congvan desk next-number UNIT --next N`")
