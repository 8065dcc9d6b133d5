"""The ledger's log: appended with what it tells of, proved by its tree, and told apart from what was changed since."""

import random
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from nacl.signing import SigningKey
from sqlalchemy import Connection, Engine, Table, delete, insert, select, text, update

from router.ledger.engine import downgrade, reading, upgrade, writing
from router.ledger.log import appending, checkpoints, tree
from router.ledger.log.checking import LogReport, check
from router.ledger.log.checkpoints import KeptCheckpoint
from router.ledger.log.entries import SOURCES, EntryKind, entry_of, forgotten
from router.ledger.models import delivery, dispatch, log_checkpoint, log_entry, log_head, log_node, receipt
from router.ledger.way import retention
from router.ledger.way.retention import RetentionPage
from router.trust.log_key import name_of
from schemas.clock import now_ms
from schemas.trust.checkpoints import Checkpoint, open_checkpoint, signed_checkpoint
from schemas.trust.merkle import leaf_hash, proves_consistency, proves_inclusion, root_of
from support.stories import Story

KEY = SigningKey(b"k" * 32)
NAME = name_of(KEY)


def sign(conn: Connection) -> Checkpoint:
    """As the router does: keep the nodes, sign what there is."""
    while tree.seal(conn):
        pass
    assert checkpoints.name_key(conn, str(NAME)) == str(NAME)
    size = tree.size_of(conn)
    made = Checkpoint(NAME.name, size, tree.root(conn, size))
    checkpoints.add(conn, KeptCheckpoint(size, now_ms(), signed_checkpoint(made, KEY)))
    return made


def signed(ledger: Engine) -> Checkpoint:
    with writing(ledger) as conn:
        return sign(conn)


def checked(ledger: Engine, *trusted: Checkpoint) -> LogReport:
    with reading(ledger) as conn:
        return check(conn, trusted)


def test_what_is_recorded_is_in_the_log_and_everything_fits(ledger: Engine, story: Story) -> None:
    del story
    made = signed(ledger)
    report = checked(ledger)
    assert report.faults == []
    assert report.entries == made.size > 3
    assert (report.checkpoints, report.unread, report.root) == (1, 0, made.root.hex())
    with reading(ledger) as conn:
        kinds = set(conn.scalars(select(log_entry.c.kind)))
    assert kinds == {EntryKind.DISPATCH, EntryKind.DELIVERIES, EntryKind.RECEIPTS}


def test_what_is_not_committed_is_in_no_log(ledger: Engine) -> None:
    entry = entry_of(EntryKind.DELIVERIES, [("01a203b4-534c-749d-ae46-f303c470a0de", "x", "LCA", 1)])

    def refuse(conn: Connection) -> None:
        appending.note(conn, entry)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), writing(ledger) as conn:
        refuse(conn)
    with writing(ledger) as conn:
        pass
    with reading(ledger) as conn:
        assert tree.size_of(conn) == 0


@pytest.mark.parametrize("size", [1, 255, 256, 257, 700, 66_000])
def test_any_entry_and_any_beginning_is_proved_from_the_hashes_that_are_kept(ledger: Engine, size: int) -> None:
    leaves = [leaf_hash(number.to_bytes(4, "big")) for number in range(size)]
    with writing(ledger) as conn:
        rows = [{"number": place, "kind": "test", "leaf_hash": leaf, "ids": b""} for place, leaf in enumerate(leaves)]
        conn.execute(insert(log_entry), rows)
        conn.execute(update(log_head).values(size=size))
    seals = 0
    more = True
    while more:
        with writing(ledger) as conn:
            more = tree.seal(conn)
        seals += 1
    assert seals == max(1, -(-(size // 256) // 64))
    root, chance = root_of(leaves), random.Random(size)
    with reading(ledger) as conn:
        assert tree.root(conn, size) == root
        for number in {0, size - 1, *(chance.randrange(size) for _ in range(20))}:
            proof = tree.inclusion_proof(conn, number, size)
            assert proves_inclusion(leaves[number], number, size, proof, root)
        for old in {0, 1, size, *(chance.randrange(size) for _ in range(10))}:
            proof = tree.consistency_proof(conn, old, size)
            assert proves_consistency(old, root_of(leaves[:old]), size, root, proof)
        assert tree.tile(conn, 0, 0, 256) == leaves[:256]
        if size >= 512:
            assert tree.tile(conn, 1, 0, 2) == [root_of(leaves[:256]), root_of(leaves[256:512])]


def another(value: object, chance: random.Random) -> object:
    """A value that differs by little."""
    if isinstance(value, bytes | memoryview):
        changed = bytearray(value)
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        return bytes(changed)
    if isinstance(value, str) and value:
        place = chance.randrange(len(value))
        return value[:place] + ("x" if value[place] != "x" else "y") + value[place + 1 :]
    return "x" if isinstance(value, str) else (value or 0) + 1  # type: ignore[operator]


CHANGED = [(table, name) for table, columns in SOURCES.values() for name in columns[1:]]


@pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("table", "name"), CHANGED, ids=[f"{table.name}.{name}" for table, name in CHANGED])
def test_one_changed_column_is_found_and_its_row_named(ledger: Engine, story: Story, table: Table, name: str) -> None:
    del story
    made = signed(ledger)
    chance = random.Random(name)
    with writing(ledger) as conn:
        if conn.dialect.name == "sqlite":
            conn.execute(text("PRAGMA defer_foreign_keys = ON"))
        rows = conn.execute(select(table.c.id, table.c[name]).where(table.c[name].is_not(None))).all()
        rows = rows or conn.execute(select(table.c.id, table.c[name])).all()
        if table.c[name].foreign_keys or (table is delivery and name in {"unit", "seq"}):
            changed = _swapped(conn, table, name)
        else:
            row = chance.choice(rows)
            changed = [row.id]
            conn.execute(update(table).where(table.c.id == row.id).values({name: another(row[1], chance)}))
    report = checked(ledger, made)
    assert not report.sound
    first = report.faults[0]
    assert first.entry is not None
    assert "not as when it was recorded" in first.what
    assert any(key in first.what for key in changed) or "more" in first.what


def _swapped(conn: Connection, table: Table, name: str) -> list[str]:
    """Give a row the value of another: a column whose values have to be somewhere else, too."""
    if name == "seq":
        key, value = conn.execute(select(table.c.id, table.c.seq).order_by(table.c.seq.desc()).limit(1)).one()
        conn.execute(update(table).where(table.c.id == key).values(seq=value + 100))
        return [key]
    rows = conn.execute(select(table.c.id, table.c[name]).order_by(table.c.id)).all()
    one, other = next((a, b) for a, b in pairwise(rows) if a[1] != b[1])
    value = "LCA.02.99" if name == "unit" else other[1]
    if name == "dispatch_id":
        value = conn.scalar(
            select(dispatch.c.id).where(
                dispatch.c.id != one[1],
                dispatch.c.id.not_in(
                    select(delivery.c.dispatch_id).where(
                        delivery.c.unit == select(delivery.c.unit).where(delivery.c.id == one[0]).scalar_subquery()
                    )
                ),
            )
        )
    conn.execute(update(table).where(table.c.id == one[0]).values({name: value}))
    return [one[0]]


def _remove_a_receipt(conn: Connection) -> str:
    key = conn.scalar(select(receipt.c.id).order_by(receipt.c.pos).limit(1))
    conn.execute(delete(receipt).where(receipt.c.id == key))
    return f"receipt {key} is not in the ledger any more"


def _put_one_in(conn: Connection) -> str:
    row = dict(conn.execute(select(receipt).order_by(receipt.c.pos).limit(1)).mappings().one())
    conn.execute(insert(receipt).values(row | {"id": "01a203b4-534c-749d-ae46-f303c470a0de", "pos": 10**6}))
    return "receipt has 1 rows that no entry of the log tells of"


def _move_a_delivery(conn: Connection) -> str:
    key = conn.scalar(select(delivery.c.id).where(delivery.c.state == "arrived").limit(1))
    conn.execute(update(delivery).where(delivery.c.id == key).values(state="completed"))
    return f"delivery {key} is completed, and its receipts say arrived"


def _cut_the_log(conn: Connection) -> str:
    size = tree.size_of(conn)
    conn.execute(delete(log_entry).where(log_entry.c.number == size - 1))
    conn.execute(update(log_head).values(size=size - 1))
    return f"is of {size} entries, and the log has {size - 1}"


def _write_the_log_anew(conn: Connection) -> str:
    """What who has the database can do: change a row and its entry."""
    number = conn.scalar(select(log_entry.c.number).where(log_entry.c.kind == "dispatch").limit(1))
    conn.execute(update(log_entry).where(log_entry.c.number == number).values(leaf_hash=leaf_hash(b"another")))
    return "has another root"


def _change_a_kept_node(conn: Connection) -> str:
    conn.execute(insert(log_node).values(level=1, number=0, hash=b"x" * 32))
    leaves = list(conn.scalars(select(log_entry.c.leaf_hash).order_by(log_entry.c.number)))
    for number in range(len(leaves), 256):
        appending.note(conn, forgotten([f"01a203b4-534c-749d-ae46-{number:012x}"]))
    return "the kept hash of the 256 entries up to it is another"


def _change_a_checkpoint(conn: Connection) -> str:
    note = str(conn.scalar(select(log_checkpoint.c.note)))
    conn.execute(update(log_checkpoint).values(note=note.replace("congvan/", "congvam/", 1)))
    return "the ledger's checkpoint of"


ACTS: list[Callable[[Connection], str]] = [
    *(_remove_a_receipt, _put_one_in, _move_a_delivery, _cut_the_log),
    *(_write_the_log_anew, _change_a_kept_node, _change_a_checkpoint),
]


@pytest.mark.parametrize("act", ACTS, ids=[act.__name__.strip("_") for act in ACTS])
def test_what_was_done_behind_the_logs_back_is_named(
    ledger: Engine, story: Story, act: Callable[[Connection], str]
) -> None:
    del story
    made = signed(ledger)
    assert checked(ledger, made).sound
    with writing(ledger) as conn:
        wanted = act(conn)
    report = checked(ledger, made)
    assert any(wanted in fault.what for fault in report.faults), report.faults


def test_a_ledger_that_was_rolled_back_or_forked_does_not_fit_a_checkpoint_that_somebody_kept(
    ledger: Engine, story: Story
) -> None:
    del story
    kept = signed(ledger)
    longer = Checkpoint(kept.origin, kept.size + 3, b"r" * 32)
    forked = Checkpoint(kept.origin, kept.size, b"f" * 32)
    assert [fault.what for fault in checked(ledger, longer).faults] == [
        f"the checkpoint that was given is of {kept.size + 3} entries, and the log has {kept.size}"
    ]
    assert "has another root" in checked(ledger, forked).faults[0].what


def test_receipts_that_are_not_kept_any_more_are_said_to_be_so(ledger: Engine, story: Story) -> None:
    del story
    with writing(ledger) as conn:
        conn.execute(update(delivery).values(state="completed"))
        done = retention.forget_receipts(conn, [RetentionPage(before=now_ms() + 10**9)])
    assert done[0].count
    report = checked(ledger, signed(ledger))
    assert report.unread
    assert [fault.what for fault in report.faults if fault.entry is not None] == []
    assert not any("not in the ledger" in fault.what or "no entry" in fault.what for fault in report.faults)


def test_checkpoints_of_an_hour_long_ago_are_kept_by_their_last(ledger: Engine) -> None:
    day = 24 * 3_600_000
    with writing(ledger) as conn:
        for size, at in ((1, 0), (2, 60_000), (3, 3_600_000), (4, 3_700_000), (5, 9 * day), (6, 9 * day + 60_000)):
            checkpoints.add(conn, KeptCheckpoint(size, at, "note"))
    with reading(ledger) as conn:
        assert [item.size for item in checkpoints.every(conn)] == [2, 4, 5, 6]
        newest = checkpoints.newest(conn)
    assert newest == KeptCheckpoint(6, 9 * day + 60_000, "note")


def test_the_note_is_opened_by_the_key_that_the_ledger_names(ledger: Engine, story: Story, tmp_path: Path) -> None:
    del story, tmp_path
    made = signed(ledger)
    with reading(ledger) as conn:
        kept = checkpoints.newest(conn)
    assert kept is not None
    assert open_checkpoint(kept.note, NAME).checkpoint == made


def test_what_was_recorded_before_there_was_a_log_is_in_it_after_the_upgrade(ledger: Engine, story: Story) -> None:
    del story
    downgrade(ledger, "0016")
    upgrade(ledger)
    report = checked(ledger, signed(ledger))
    assert report.faults == []
    assert report.entries > 3


def test_two_routers_that_seal_at_once_keep_the_same(ledger: Engine) -> None:
    with writing(ledger) as conn:
        for number in range(600):
            appending.note(conn, forgotten([f"01a203b4-534c-749d-ae46-{number:012x}"]))
    roots = []
    for _ in range(2):  # the other has read the head before the first has written it
        with writing(ledger) as conn:
            conn.execute(update(log_head).values(sealed=0))
            assert not tree.seal(conn)
            roots.append(tree.root(conn, 600))
    assert roots[0] == roots[1]
