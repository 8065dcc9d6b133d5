"""Checks the ledger against its log, entry by entry: what was changed, left out or put in, from which entry on.

Whoever can write to the database can write to the log as well, all of it: so the check is as good as the checkpoint
that it is held against, which is best kept by somebody else.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, select

from router.ledger.bulk import Row
from router.ledger.log import checkpoints, states, tree
from router.ledger.log.entries import SOURCES, EntryKind, entry_of, ids_in
from router.ledger.models import log_node
from router.storage.statements import chunks
from schemas.trust import merkle
from schemas.trust.checkpoints import Checkpoint, open_checkpoint
from schemas.trust.errors import ProofError
from schemas.trust.notes import NoteKey

AT_ONCE = 100
"""Entries whose rows are read together."""
MOST_FAULTS = 20
"""Named; the first says from where on nothing can be relied on."""
_NAMED = 3


@dataclass(frozen=True, slots=True)
class LogFault:
    """What does not fit, and at which entry of the log; None: at none of them."""

    what: str
    entry: int | None = None


@dataclass(slots=True)
class LogReport:
    """What a check found; ``unread`` entries tell of receipts that are not kept any more."""

    entries: int = 0
    unread: int = 0
    checkpoints: int = 0
    root: str = ""
    faults: list[LogFault] = field(default_factory=list)
    more_faults: int = 0

    @property
    def sound(self) -> bool:
        """Whether everything fits."""
        return not self.faults

    def note(self, what: str, entry: int | None = None) -> None:
        """Take in a fault."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(LogFault(what, entry))
        else:
            self.more_faults += 1


@dataclass(frozen=True, slots=True)
class _Read:
    """An entry as the log has it."""

    number: int
    kind: str
    leaf_hash: bytes
    ids: Sequence[str]


def check(
    conn: Connection,
    trusted: Sequence[Checkpoint] = (),
    *,
    on_progress: Callable[[int, int], None] = lambda _done, _size: None,
) -> LogReport:
    """Check everything, in one transaction that reads.

    Args:
        conn: the transaction.
        trusted: checkpoints that somebody else kept.
        on_progress: told how many entries of how many are checked.
    """
    return _Checker(conn, trusted, on_progress).run()


class _Checker:
    def __init__(
        self, conn: Connection, trusted: Sequence[Checkpoint], on_progress: Callable[[int, int], None]
    ) -> None:
        self._conn = conn
        self._on_progress = on_progress
        self._report = LogReport()
        self._edge = _Edge(conn, self._report)
        self._wanted = self._told_here() + [(item, "the checkpoint that was given") for item in trusted]
        self._wanted.sort(key=lambda item: item[0].size)
        self._covered = dict.fromkeys(SOURCES, 0)
        self._missing: dict[str, int] = {}
        """Receipts that are not there, and the entry that tells of them; what was forgotten is taken out."""
        self._forgotten = 0

    def run(self) -> LogReport:
        report, size = self._report, tree.size_of(self._conn)
        self._hold_against(0)
        while report.entries < size:
            page = [_Read(*row[:3], ids_in(row[3])) for row in tree.entries(self._conn, report.entries, AT_ONCE)]
            if not page:
                break
            self._check_page(page)
            self._on_progress(report.entries, size)
        if report.entries != size:
            report.note(f"the log has {report.entries} entries one after the other, and says that it has {size}")
        report.root = self._edge.root().hex()
        for wanted, whose in self._wanted:
            report.note(f"{whose} is of {wanted.size} entries, and the log has {report.entries}")
        for key, number in self._missing.items():
            report.note(f"receipt {key} is not in the ledger any more", number)
        self._count_rows()
        for what in states.that_differ(self._conn):
            report.note(what)
        return report

    def _told_here(self) -> list[tuple[Checkpoint, str]]:
        """The checkpoints that the ledger keeps, as far as they are signed."""
        found: list[tuple[Checkpoint, str]] = []
        try:
            key = NoteKey.parse(checkpoints.key_of(self._conn)) if checkpoints.key_of(self._conn) else None
        except ProofError as error:
            self._report.note(f"the log's key: {error}")
            return []
        for kept in checkpoints.every(self._conn):
            try:
                if key is None:
                    raise ProofError("it names no key")  # noqa: TRY301 - as any other fault of this checkpoint
                opened = open_checkpoint(kept.note, key).checkpoint
            except ProofError as error:
                self._report.note(f"the ledger's checkpoint of {kept.size} entries: {error}")
                continue
            if opened.size != kept.size:
                self._report.note(f"the ledger's checkpoint of {kept.size} entries is one of {opened.size}")
            found.append((opened, "the ledger's checkpoint"))
        return found

    def _check_page(self, page: Sequence[_Read]) -> None:
        rows = self._rows_of(page)
        for item in page:
            if item.number != self._report.entries:
                return
            self._check_entry(item, rows)
            self._edge.add(item.leaf_hash)
            self._report.entries += 1
            self._hold_against(self._report.entries)

    def _check_entry(self, item: _Read, rows: dict[str, Row]) -> None:
        report = self._report
        if item.kind == EntryKind.FORGOTTEN:
            self._forget(item)
            return
        if item.kind not in SOURCES:
            report.note(f"it is of a kind that this program does not know: {item.kind}", item.number)
            return
        kind = EntryKind(item.kind)
        self._covered[kind] += len(item.ids)
        gone = [key for key in item.ids if key not in rows]
        if gone and kind is EntryKind.RECEIPTS:
            report.unread += 1
            self._missing.update(dict.fromkeys(gone, item.number))
        elif gone:
            report.note(f"{_named(kind, gone)} not in the ledger any more", item.number)
        elif entry_of(kind, [rows[key] for key in item.ids]).leaf_hash != item.leaf_hash:
            report.note(f"{_named(kind, item.ids)} not as when it was recorded", item.number)

    def _forget(self, item: _Read) -> None:
        if entry_of(EntryKind.FORGOTTEN, [(key,) for key in item.ids]).leaf_hash != item.leaf_hash:
            self._report.note("what it says was forgotten is not what it said", item.number)
            return
        self._forgotten += len(item.ids)
        for key in item.ids:
            self._missing.pop(key, None)

    def _rows_of(self, page: Sequence[_Read]) -> dict[str, Row]:
        found: dict[str, Row] = {}
        for kind, (table, columns) in SOURCES.items():
            ids = sorted({key for item in page if item.kind == kind for key in item.ids})
            for some in chunks(ids):
                rows = select(*(table.c[name] for name in columns)).where(table.c.id.in_(some))
                found |= {row[0]: tuple(row) for row in self._conn.execute(rows)}
        return found

    def _hold_against(self, size: int) -> None:
        """Compare with the checkpoints of this size."""
        while self._wanted and self._wanted[0][0].size == size:
            wanted, whose = self._wanted.pop(0)
            self._report.checkpoints += 1
            if self._edge.root() != wanted.root:
                self._report.note(f"{whose} of {size} entries has another root: one of them was changed", size - 1)

    def _count_rows(self) -> None:
        """Rows that no entry tells of were put in behind the log's back."""
        for kind, (table, _) in SOURCES.items():
            there = self._conn.execute(select(func.count()).select_from(table)).scalar_one()
            told = self._covered[kind] - (self._forgotten if kind is EntryKind.RECEIPTS else 0)
            if there > told:
                self._report.note(f"{table.name} has {there - told} rows that no entry of the log tells of")


class _Edge:
    """The right edge of the tree over the entries so far, by which its root is known; it checks the kept nodes."""

    def __init__(self, conn: Connection, report: LogReport) -> None:
        self._conn = conn
        self._report = report
        self._perfect: list[tuple[int, bytes]] = []
        self._size = 0

    def add(self, leaf_hash: bytes) -> None:
        """One entry more."""
        level, found = 0, leaf_hash
        while self._perfect and self._perfect[-1][0] == level:
            found = merkle.node_hash(self._perfect.pop()[1], found)
            level += 1
            if level % 8 == 0:
                self._check_node(level, found)
        self._perfect.append((level, found))
        self._size += 1

    def root(self) -> bytes:
        """The root over them."""
        if not self._perfect:
            return merkle.EMPTY_ROOT
        found = self._perfect[-1][1]
        for _, left in reversed(self._perfect[:-1]):
            found = merkle.node_hash(left, found)
        return found

    def _check_node(self, level: int, found: bytes) -> None:
        number = self._size >> level
        kept = select(log_node.c.hash).where(log_node.c.level == level // 8, log_node.c.number == number)
        there = self._conn.scalar(kept)
        if there is not None and bytes(there) != found:
            self._report.note(f"the kept hash of the {1 << level} entries up to it is another", self._size)


def _named(kind: EntryKind, ids: Sequence[str]) -> str:
    """Rows of an entry in a sentence: one, or of several which these are."""
    what = {EntryKind.DISPATCH: "dispatch", EntryKind.DELIVERIES: "delivery"}.get(kind, "receipt")
    if len(ids) == 1:
        return f"{what} {ids[0]} is"
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return f"one of {len(ids)} ({what} {', '.join(ids[:_NAMED])}{more}) is"
