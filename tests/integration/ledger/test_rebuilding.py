"""An older ledger gets back what it has forgotten from the pages of gateways; what it knows stays as it is."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from sqlalchemy import Connection, Engine, func, select

from router.delivery import hellos
from router.delivery.hellos import Greeting
from router.delivery.recorder import NotedSigns, _apply
from router.ledger.engine import writing
from router.ledger.models import delivery, dispatch, dispatch_word, receipt, unit_receipts, unit_sequence
from router.ledger.recovery import forgotten, rebuilding, recovering
from router.ledger.recovery.rebuilding import Rebuilt, ReceivedPage
from router.ledger.recovery.recovering import NewRecovery
from router.ledger.units.receipt_numbers import QuestionsWanted
from router.rules.schedule import Silence
from schemas.accounts import parse_account
from schemas.clock import now_ms
from schemas.dispatch import Kind, Submission
from schemas.ids import made_at, new_id
from schemas.receipt import Hello
from schemas.recount import Memory, read_memory
from schemas.states import Effect, Status, follow
from support.deliveries import a_descriptor, by_reference
from support.forgetting import NOW, OPENING, Holder, forgotten_id, letters
from support.ledgers import Clerk, unit
from support.owing import misjudged

S = Status
A, B = "LCA.01", "LCA.02"


def opened(conn: Connection, opening: NewRecovery = OPENING) -> Clerk:
    """A ledger of two units in which a recovery is open."""
    clerk = Clerk(conn)
    clerk.units(unit("LCA"), unit(A), unit(B))
    recovering.begin(conn, opening)
    return clerk


def enter(conn: Connection, *pages: ReceivedPage) -> list[Rebuilt]:
    return rebuilding.rebuild(conn, pages)


def states(conn: Connection) -> dict[str, str]:
    return dict(conn.execute(select(delivery.c.id, delivery.c.state)).all())


def replayed(conn: Connection, key: str) -> Status:
    """The state that the log alone comes to."""
    state = S.PENDING
    rows = select(receipt.c.status).where(receipt.c.delivery_id == key, receipt.c.effect == Effect.ADVANCE.value)
    for status in conn.scalars(rows.order_by(receipt.c.pos)):
        assert follow(state, S(status)).effect is Effect.ADVANCE
        state = S(status)
    return state


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ((), S.QUEUED),
        ((S.TAKEN,), S.TAKEN),
        ((S.TAKEN, S.ARRIVED), S.ARRIVED),
        ((S.TAKEN, S.ARRIVED, S.REGISTERED, S.COMPLETED), S.COMPLETED),
        ((S.TAKEN, S.PARKED), S.REDRIVEN),  # it was parked for being forgotten
        ((S.TAKEN, S.PARKED, S.TAKEN), S.TAKEN),  # somebody had it sent again, which the ledger has forgotten as well
        ((S.TAKEN, S.PARKED, S.TAKEN, S.ARRIVED), S.ARRIVED),
        ((S.TAKEN, S.RECALLED), S.RECALLED),
    ],
)
def test_a_forgotten_delivery_comes_to_the_state_that_its_receipts_tell(
    ledger: Engine, said: tuple[Status, ...], state: Status
) -> None:
    holder = Holder(A)
    (letter,) = letters(1, attachments=(by_reference("a.pdf", b"a"),))
    key = holder.hold(letter, *said)
    with writing(ledger) as conn:
        opened(conn)
        (rebuilt,) = enter(conn, holder.page())
        assert (rebuilt.dispatches, rebuilt.deliveries, rebuilt.refused) == (1, 1, 0)
        assert states(conn) == {key: state}
        assert replayed(conn, key) is state
        assert misjudged(conn) == []
        row = conn.execute(select(delivery)).one()
        assert (row.dispatch_id, row.unit, row.seq) == (letter.id, A, 1)
        assert row.created_at == made_at(letter.id) or row.created_at == made_at(key)
        assert (row.next_due_at is not None) is (state in {S.QUEUED, S.TAKEN, S.REDRIVEN})
        found = conn.execute(select(dispatch)).one()
        assert (found.notation, found.accepted_at, found.total) == (letter.notation, made_at(letter.id), 1)
        assert Submission.model_validate_json(found.submission).attachments[0].name == "a.pdf"


def test_what_comes_again_adds_nothing_and_a_page_before_its_turn_moves_no_cursor(ledger: Engine) -> None:
    holder = Holder(A)
    for letter in letters(3):
        holder.hold(letter, S.TAKEN, S.ARRIVED)
    with writing(ledger) as conn:
        opened(conn)
        recovering.greet(conn, holder.spool_id, [A], NOW, anew=True)
        first = enter(conn, holder.page(count=1))
        assert [item.deliveries for item in first] == [1]
        before = conn.execute(select(func.count()).select_from(receipt)).scalar_one()
        assert enter(conn, holder.page(count=1)) == [Rebuilt()]
        assert conn.execute(select(func.count()).select_from(receipt)).scalar_one() == before
        (question,) = recovering.claim(conn, [QuestionsWanted(NOW, NOW + 1, 200)])[0]
        assert question.after == 1
        recovering.settle(conn, [([question], NOW)])
        assert enter(conn, holder.page(after=1, count=2))[0].deliveries == 2
        assert not recovering.is_due(conn, NOW + 1)
        standing = {item.unit: item for item in recovering.units(conn)}[A]
        assert (standing.told, standing.done_at) == (3, NOW)
        assert set(states(conn).values()) == {S.ARRIVED}


def test_numbers_that_another_spool_gave_are_not_taken_for_this_one_s(ledger: Engine) -> None:
    """The unit's books were put back into a new spool: what lies between its own numbers and theirs never was."""
    holder = Holder(A, receipt_seq=400)
    for letter in letters(1):
        holder.hold(letter, S.TAKEN, S.ARRIVED)
    (held,) = holder.held
    foreign = tuple(one.model_copy(update={"elsewhere": True}) for one in held.receipts)
    holder.held = [held.model_copy(update={"receipts": foreign})]
    with writing(ledger) as conn:
        opened(conn)
        enter(conn, holder.page())
        assert set(states(conn).values()) == {S.ARRIVED}
        assert conn.execute(select(unit_receipts)).all() == []


def test_nothing_that_the_ledger_knows_is_changed(ledger: Engine) -> None:
    """Its own dispatch stays its own, whoever claims a delivery of it; its receipts are completed alone."""
    with writing(ledger) as conn:
        clerk = opened(conn, NewRecovery("thu", now_ms(), 0))
        known = clerk.dispatch("LCA", [unit(A)])
        clerk.publish()
        key = clerk.deliveries[known, A]
        before = conn.execute(select(dispatch)).one(), conn.execute(select(delivery)).one()
        stranger, other = Holder(B), Holder(A)
        stranger.hold(a_descriptor(id=known, issuer="LCA"), S.TAKEN, S.ARRIVED)
        other.hold(a_descriptor(id=known, issuer="LCA"), S.TAKEN, S.ARRIVED)
        assert [item.refused for item in enter(conn, stranger.page(), other.page())] == [1, 1]
        assert (conn.execute(select(dispatch)).one(), conn.execute(select(delivery)).one()) == before
        assert states(conn) == {key: S.PENDING}
        assert [item.why for item in forgotten.lost(conn, limit=5)] == [
            f"the ledger has its dispatch {known}, and not for {A}",
            f"the ledger has its dispatch {known}, and not for {B}",
        ]


def test_two_gateways_build_one_dispatch_and_one_that_tells_it_otherwise_is_named(ledger: Engine) -> None:
    (letter,) = letters(1)
    one, two, liar = Holder(A), Holder(B), Holder("LCA")
    one.hold(letter, S.TAKEN, S.ARRIVED)
    two.hold(letter, S.TAKEN)
    lie = liar.hold(letter.model_copy(update={"subject": "khác"}), S.TAKEN)
    with writing(ledger) as conn:
        opened(conn)
        assert [item.dispatches for item in enter(conn, one.page(), two.page(), liar.page())] == [1, 0, 0]
        assert conn.execute(select(dispatch.c.total)).scalar_one() == 2
        assert [(item.delivery_id, item.why) for item in forgotten.lost(conn, limit=5)] == [
            (lie, f"another gateway tells dispatch {letter.id} otherwise")
        ]


def test_numbers_that_gateways_have_taken_are_not_given_again(ledger: Engine) -> None:
    with writing(ledger) as conn:
        clerk = opened(conn)
        clerk.dispatch("LCA", [unit(A)])  # number 1, before anybody told
        forgotten.raise_sequences(conn, {A: [7], B: [3, 10**15], "LCA": [10**15]})
        new = clerk.dispatch("LCA", [unit(A), unit(B), unit("LCA")])
        given = select(delivery.c.unit, delivery.c.seq).where(delivery.c.dispatch_id == new)
        assert dict(conn.execute(given).all()) == {A: 8, B: 4, "LCA": 1}


def test_a_number_that_was_given_again_before_leaves_its_forgotten_delivery_the_next_free_one(ledger: Engine) -> None:
    holder = Holder(A)
    first, second = [holder.hold(letter, S.TAKEN, S.ARRIVED) for letter in letters(2)]
    far = holder.hold(a_descriptor(id=forgotten_id(), issuer="LCA"), S.TAKEN, seq=10**9)
    with writing(ledger) as conn:
        clerk = opened(conn)
        clerk.dispatch("LCA", [unit(A)])
        enter(conn, holder.page())
        numbers = dict(conn.execute(select(delivery.c.id, delivery.c.seq)).all())
        assert sorted(numbers.values()) == [1, 2, 3, 4]
        assert numbers[second] == 2, "its own, which nobody else was given"
        assert {numbers[first], numbers[far]} == {3, 4}
        clerk.dispatch("LCA", [unit(A)])
        assert conn.scalar(select(unit_sequence.c.last).where(unit_sequence.c.unit == A)) == 5


def test_without_an_open_recovery_and_outside_its_time_nothing_is_entered(ledger: Engine) -> None:
    holder = Holder(A)
    holder.hold(letters(1)[0], S.TAKEN)
    late = Holder(A)
    late.hold(a_descriptor(issuer="LCA"), S.TAKEN)
    with writing(ledger) as conn:
        opened(conn)
        recovering.end(conn, NOW)
        assert enter(conn, holder.page()) == [Rebuilt()]
        recovering.begin(conn, OPENING)
        assert enter(conn, late.page())[0].refused == 1
        assert states(conn) == {}


def test_a_letter_that_cannot_be_had_and_a_unit_that_is_not_there_are_named(ledger: Engine) -> None:
    holder, elsewhere = Holder(A), Holder("LCA.09")
    long, letter = letters(2)
    lost = holder.hold(long, S.TAKEN)
    there = elsewhere.hold(letter, S.TAKEN)
    with writing(ledger) as conn:
        opened(conn)
        enter(conn, holder.page(unreadable={long.id: "its record is lost"}, letters={}), elsewhere.page())
        why = {item.delivery_id: item.why for item in forgotten.lost(conn, limit=5)}
        assert why[lost] == "its record is lost"
        assert "there is no unit LCA.09" in why[there]


def test_a_forgotten_recall_calls_back_again_and_what_it_called_back_is_known_to_be(ledger: Engine) -> None:
    holder = Holder(A)
    with writing(ledger) as conn:
        clerk = opened(conn)
        known = clerk.dispatch("LCA", [unit(A)])
        clerk.publish()
        clerk.tell(known, A, S.QUEUED, S.TAKEN, S.ARRIVED)
        (letter, call) = letters(2)
        recall = call.model_copy(update={"kind": Kind.RECALL, "refers_to": (known, letter.id)})
        key = holder.hold(letter, S.TAKEN, S.ARRIVED, S.CHANGE_ACCEPTED, recalled_by=recall.id)
        holder.hold(recall, S.TAKEN, S.ARRIVED)
        enter(conn, holder.page())
        found = states(conn)
        assert found[clerk.deliveries[known, A]] == S.TAKE_BACK_REQUESTED
        assert found[key] == S.CHANGE_ACCEPTED
        assert replayed(conn, key) is S.CHANGE_ACCEPTED


def test_what_was_rebuilt_is_found_by_its_words_and_sent_again_under_its_own_body(ledger: Engine) -> None:
    holder = Holder(A)
    (letter,) = letters(1, subject="Về việc mưa lũ", flash_text="Sơ tán")
    holder.hold(letter, S.TAKEN, S.ARRIVED, S.REGISTERED)
    with writing(ledger) as conn:
        opened(conn)
        enter(conn, holder.page())
        words = set(conn.scalars(select(dispatch_word.c.word)))
        assert {"mua", "lu", "57", "may"} <= words
        assert conn.execute(select(dispatch.c.body)).scalar_one() == holder.letters[letter.id].body


def test_receipts_of_what_is_not_in_the_ledger_tell_that_it_is_older_and_what_is_rebuilt_calls_for_nobody(
    ledger: Engine,
) -> None:
    holder = Holder(A)
    keys = [holder.hold(letter, S.TAKEN) for letter in letters(2)]
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        clerk.units(unit("LCA"), unit(A), unit(B))
        known = clerk.dispatch("LCA", [unit(A)])
        told = dict.fromkeys([*keys, clerk.deliveries[known, A], str(uuid4())], A)
        assert forgotten.note(conn, told, NOW) == 2
        assert forgotten.note(conn, told, NOW) == 0
        found = forgotten.summary(conn)
        assert (found.deliveries, found.units, found.recovering) == (2, 1, False)
        assert (found.first, found.last) == (made_at(keys[0]), made_at(keys[1]))
        since = recovering.forgotten_since(conn)
        assert since == conn.scalar(select(dispatch.c.accepted_at))
        recovering.begin(conn, recovering.NewRecovery("thu", NOW, since or 0))
        enter(conn, holder.page())
        assert forgotten.summary(conn).deliveries == 0


def test_a_unit_that_speaks_of_more_after_it_told_all_is_asked_again_but_not_in_a_row(ledger: Engine) -> None:
    holder = Holder(A)
    first, second = letters(2)
    holder.hold(first, S.TAKEN)
    with writing(ledger) as conn:
        opened(conn)
        recovering.greet(conn, holder.spool_id, [A], NOW, anew=False)
        (question,) = recovering.claim(conn, [QuestionsWanted(NOW, NOW + 1, 200)])[0]
        recovering.settle(conn, [([question], NOW)])
        recovering.greet(conn, holder.spool_id, [A], NOW + recovering.AGAIN_MS - 1, anew=False)
        assert not recovering.is_due(conn, NOW + recovering.AGAIN_MS)
        enter(conn, holder.page())
        key = holder.hold(second, S.TAKEN)
        forgotten.note(conn, {key: A}, NOW)
        assert not recovering.is_due(conn, NOW + recovering.SETTLING_MS - 1)
        assert recovering.is_due(conn, NOW + recovering.SETTLING_MS)
        (question,) = recovering.claim(conn, [QuestionsWanted(NOW + recovering.SETTLING_MS, NOW + 99_000, 200)])[0]
        assert question.after == 1
        enter(conn, holder.page(after=1))
        assert len(states(conn)) == 2


def test_a_question_that_is_not_answered_is_put_again_after_a_later_hello(ledger: Engine) -> None:
    spool_id, other = new_id(), new_id()
    later = NOW + recovering.AGAIN_MS + 1
    with writing(ledger) as conn:
        opened(conn)
        recovering.greet(conn, spool_id, [A, B], NOW, anew=True)
        questions = recovering.claim(conn, [QuestionsWanted(NOW, NOW + 60_000, 200)])[0]
        assert [item.unit for item in questions] == [A, B]
        assert not recovering.claim(conn, [QuestionsWanted(NOW + 1, NOW + 60_000, 200)])[0], "they are claimed"
        recovering.settle(conn, [(questions, NOW)])
        recovering.greet(conn, spool_id, [A], later, anew=False)
        recovering.greet(conn, other, [B], NOW + 1, anew=True)  # another spool: what was told of the first is void
        assert [item.unit for item in recovering.claim(conn, [QuestionsWanted(later, later + 1, 200)])[0]] == [A, B]


@pytest.mark.parametrize("answered", [False, True])
def test_a_question_that_its_gateway_may_have_forgotten_is_put_again_soon_unless_the_answer_comes(
    ledger: Engine, *, answered: bool
) -> None:
    """A gateway that is started anew has lost what it was asked; on a line that drops the answer may be on its way."""
    holder = Holder(A)
    again_at = NOW + recovering.ANEW_MS
    with writing(ledger) as conn:
        opened(conn)
        recovering.greet(conn, holder.spool_id, [A], NOW, anew=True)
        questions = recovering.claim(conn, [QuestionsWanted(NOW, NOW + 1, 200)])[0]
        recovering.settle(conn, [(questions, NOW)])
        for hello in range(1, 4):
            recovering.greet(conn, holder.spool_id, [A], NOW + hello * 1000, anew=True)
        assert not recovering.is_due(conn, again_at - 1)
        if answered:
            enter(conn, holder.page())
        assert recovering.is_due(conn, again_at) is not answered


def test_a_hello_reads_what_its_headers_tell_of_the_spool() -> None:
    key = new_id()
    told = Memory(key, A, {A: 7, B: 0})
    assert read_memory(told.headers([A, B]), [A, B]) == told
    assert read_memory(Memory().headers([A]), [A]) == Memory("", "", {A: 0})
    for headers in (
        {},
        {"newest": key},
        {"newest": f"{key} {A}", "highest": "1"},
        {"newest": f"{key} x", "highest": "1,2"},
        {"newest": f"{key} {A}", "highest": "1,-2"},
        {"newest": f"{key} {A}", "highest": f"1,{2**53}"},
        {"newest": f"{key} {A}", "highest": "1,²"},
        {"newest": 7, "highest": "1,2"},
    ):
        assert read_memory(headers, [A, B]) is None


def greeting_of(memory: Memory | None, *, again: bool = False, spool_id: str = "") -> Greeting:
    sender = parse_account(f"gateway:{A}")
    hello = Hello(units=(A,), spool_id=spool_id or new_id(), at=datetime.now(UTC), again=again)
    return Greeting(hello, sender, memory=memory)


def test_a_hello_shows_that_the_ledger_is_older_and_begins_what_was_opened(ledger: Engine) -> None:
    with writing(ledger) as conn:
        Clerk(conn).units(unit("LCA"), unit(A), unit(B))
        key, spool_id = new_id(), new_id()
        for again in (False, True):
            hellos.note(0, conn, [greeting_of(Memory(key, A, {A: 7}), again=again, spool_id=spool_id)])
        assert forgotten.summary(conn).deliveries == 1
        assert conn.scalar(select(unit_sequence.c.last).where(unit_sequence.c.unit == A)) == 7
        since = recovering.forgotten_since(conn)
        assert since == 0, "the ledger has nothing from before"
        recovering.begin(conn, NewRecovery("thu", now_ms(), since))
        assert recovering.is_due(conn, now_ms()), "it is known to be able to answer"


def test_a_foreign_units_delivery_in_a_hello_tells_nothing(ledger: Engine) -> None:
    with writing(ledger) as conn:
        Clerk(conn).units(unit("LCA"), unit(A), unit(B))
        hellos.note(0, conn, [greeting_of(Memory(new_id(), B, {A: 0})), greeting_of(Memory("", "", {A: 0}))])
        assert forgotten.summary(conn).deliveries == 0


def test_a_gateway_that_does_not_say_what_it_holds_is_never_asked(ledger: Engine) -> None:
    """Those of 0.1 would put the question aside as a message that they cannot read."""
    with writing(ledger) as conn:
        Clerk(conn).units(unit("LCA"), unit(A), unit(B))
        hellos.note(0, conn, [greeting_of(None)])
        recovering.begin(conn, NewRecovery("thu", now_ms(), 0))
        hellos.note(0, conn, [greeting_of(None)])
        assert not recovering.is_due(conn, now_ms() + 1)
        assert [(item.unit, item.can) for item in recovering.units(conn)] == [(A, False)]
        hellos.note(0, conn, [greeting_of(Memory("", "", {A: 0}))])
        assert recovering.is_due(conn, now_ms() + 1)


def test_while_it_is_brought_back_what_was_said_too_early_counts_as_not_come(ledger: Engine) -> None:
    """So it is asked for again as any receipt that was lost, and finds its delivery then."""
    with writing(ledger) as conn:
        clerk = Clerk(conn)
        clerk.units(unit("LCA"), unit(A))
        early = [clerk.entry(new_id(), S.TAKEN, A, 1), clerk.entry(new_id(), S.TAKEN, A, 2)]
        _apply(Silence(), 0, NotedSigns(), conn, [early[:1]])
        recovering.begin(conn, NewRecovery("thu", now_ms(), 0))
        _apply(Silence(), 0, NotedSigns(), conn, [early[1:]])
        row = conn.execute(select(unit_receipts.c.through, unit_receipts.c.told)).one()
        assert tuple(row) == (1, 1)
        assert forgotten.summary(conn).deliveries == 2
