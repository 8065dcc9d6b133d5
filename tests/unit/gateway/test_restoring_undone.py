"""Books that come back where something was undone after the copy: it is undone here, too."""

from consumers.spool import Spool, outbox
from consumers.spool.book_entries import EntryState
from consumers.spool.taking import take
from schemas.states import Status
from support.books import book, direct, register, renumber, rows_of, told_by, undo
from support.deliveries import ONE_MINUTE, a_descriptor, arriving
from support.restoring import confirm, copy_of, put


def test_a_registration_that_was_undone_keeps_its_number_and_frees_its_document(lost: Spool, spool: Spool) -> None:
    second = rows_of(lost)["inbox"][1]["delivery_id"]
    undo(lost, second)
    put(spool, {}, list(told_by(lost)))
    states = {entry.number: entry.state for entry in book(spool)}
    assert states == {1: EntryState.ENTERED, 2: EntryState.LOST, 3: EntryState.STRUCK}
    with spool.writing() as conn:
        take(conn, [([arriving(a_descriptor(), complete=True, seq=2, id_=second)], ONE_MINUTE)])
    confirm(spool, 4)
    assert register(spool, second) == 4


def test_what_was_undone_and_registered_again_after_the_copy_is_so_here_too(lost: Spool, spool: Spool) -> None:
    first, second, third = (row["delivery_id"] for row in rows_of(lost)["inbox"])
    older = copy_of(lost)
    undo(lost, first)
    undo(lost, second)
    assert (register(lost, first), register(lost, third), renumber(lost, third)) == (4, 5, 6)
    put(spool, older, list(told_by(lost)))
    assert _in_books(spool) == _in_books(lost)
    assert _states(spool) == _states(lost)
    assert [row["registered_at"] is None for row in rows_of(spool)["inbox"]] == [False, True, False]
    assert [row["ended_at"] is None for row in rows_of(spool)["task"]] == [False]
    confirm(spool, 7)
    assert (register(spool, second), renumber(spool, first)) == (7, 8)
    undo(spool, third)
    assert _states(spool)[third] is Status.ARRIVED


def test_all_steps_that_were_undone_one_by_one_are_undone_here_too(lost: Spool, spool: Spool) -> None:
    second = rows_of(lost)["inbox"][1]["delivery_id"]
    direct(lost, second)
    older = copy_of(lost)
    undo(lost, second)
    undo(lost, second)
    put(spool, older, list(told_by(lost)))
    assert _states(spool)[second] is Status.ARRIVED
    steps = [row for row in rows_of(spool)["step"] if row["kind"] in {"registered", "submitted", "directed"}]
    assert [row["kind"] for row in steps if row["undone"]] == ["registered", "submitted", "directed"]
    assert all(row["ended_at"] is not None for row in rows_of(spool)["task"])


def test_a_receipt_that_was_lost_and_undone_since_is_not_said_again(lost: Spool, spool: Spool) -> None:
    third = rows_of(lost)["inbox"][2]["delivery_id"]
    register(lost, third)
    older = copy_of(lost)
    (told,) = (row["id"] for row in older["receipt"].values() if row["register_number"] == "4")
    undo(lost, third)
    put(spool, older, list(told_by(lost, without=[told])))
    assert _states(spool)[third] is Status.ARRIVED
    assert [entry.state for entry in book(spool)][-1] is EntryState.STRUCK
    with spool.reading() as conn:
        assert outbox.count_unsent(conn) == 0


def test_what_the_ledger_forgot_takes_nothing_back(lost: Spool, spool: Spool) -> None:
    older = copy_of(lost)
    put(spool, older, [one.model_copy(update={"receipts": []}) for one in told_by(lost)])
    assert _in_books(spool) == _in_books(lost)
    assert _states(spool) == _states(lost)


def _in_books(spool: Spool) -> dict[int, tuple[str | None, EntryState]]:
    return {entry.number: (entry.delivery_id, entry.state) for entry in book(spool)}


def _states(spool: Spool) -> dict[str, Status]:
    return {row["delivery_id"]: Status(row["state"]) for row in rows_of(spool)["inbox"]}
