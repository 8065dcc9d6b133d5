"""A recall in the ledger: who may, what ends at once, what is asked back, what is left to the gateway."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, select

from router.errors import AddressingError, ReferencesError
from router.ledger.models import delivery, dispatch, receipt
from router.ledger.way import outbox
from router.ledger.way.acceptance import accept
from router.ledger.way.acts import redrive
from router.ledger.way.outbox import Claim
from schemas.dispatch import Accepted, Submission
from schemas.ids import new_id
from schemas.states import Status
from schemas.unit import Link
from support.ledgers import Clerk, new_dispatch, unit

S = Status
HERE, THERE, AWAY = unit("LCA.01"), unit("LCA.02"), unit("LCA.03", Link.NONE)
UNITS = (HERE, THERE, AWAY)
TO_PEOPLE = [S.QUEUED, S.TAKEN, S.ARRIVED]


@pytest.fixture
def clerk(ledger: Engine) -> Iterator[Clerk]:
    with ledger.begin() as conn:
        yield Clerk(conn)


def states(clerk: Clerk, dispatch_id: str) -> dict[str, tuple[str, str]]:
    rows = select(delivery.c.unit, delivery.c.state, delivery.c.reason).where(delivery.c.dispatch_id == dispatch_id)
    return {row[0]: (row[1], row[2]) for row in clerk.conn.execute(rows)}


def claim(clerk: Clerk) -> set[str]:
    clerk.now += 1000
    return {item.id for item in outbox.claim(clerk.conn, [Claim(clerk.now, clerk.now + 60_000, 100)])[0].due}


def answer(clerk: Clerk, units: tuple[object, ...] = UNITS, **fields: object) -> Accepted | Exception:
    letter = {"issuer": "LCA.VP", "notation": "2", "subject": "x", "addressees": ["LCA.#"]} | fields
    return accept(clerk.conn, [new_dispatch(Submission.model_validate(letter), units, clerk.now)])[0]  # type: ignore[arg-type]


def test_what_never_left_the_ledger_ends_with_the_recall_and_is_not_sent_any_more(clerk: Clerk) -> None:
    original = clerk.dispatch("LCA.VP", UNITS)
    recall = clerk.dispatch("LCA.VP", UNITS, kind="recall", refers_to=[original])
    assert set(states(clerk, original).values()) == {("recalled", f"recalled by dispatch {recall}")}
    assert claim(clerk) == {clerk.deliveries[recall, code] for code in ("LCA.01", "LCA.02")}
    told = clerk.conn.execute(select(receipt.c.status, receipt.c.effect)).all()
    assert [tuple(row) for row in told] == [("recalled", "advance")] * 3


def test_what_a_relay_has_claimed_is_left_to_the_gateway_even_before_its_confirm(clerk: Clerk) -> None:
    original = clerk.dispatch("LCA.VP", UNITS)
    claim(clerk)
    clerk.tell(original, "LCA.02", S.QUEUED)
    clerk.dispatch("LCA.VP", UNITS, kind="recall", refers_to=[original])
    found = {code: state for code, (state, _) in states(clerk, original).items()}
    assert found == {"LCA.01": "pending", "LCA.02": "queued", "LCA.03": "recalled"}
    clerk.tell(original, "LCA.01", S.QUEUED, S.RECALLED)
    assert states(clerk, original)["LCA.01"][0] == "recalled"


@pytest.mark.parametrize("told", [[S.PARKED], [*TO_PEOPLE[:2], S.PARKED]])
def test_what_is_parked_ends_with_the_recall(clerk: Clerk, told: list[Status]) -> None:
    original = clerk.dispatch("LCA.VP", [HERE])
    claim(clerk)
    clerk.tell(original, "LCA.01", *told)
    clerk.dispatch("LCA.VP", [HERE], kind="recall", refers_to=[original])
    assert states(clerk, original)["LCA.01"][0] == "recalled"


@pytest.mark.parametrize("done", [[], [S.REGISTERED], [S.REGISTERED, S.COMPLETED], [S.CHANGE_REFUSED]])
def test_what_the_unit_has_is_asked_back(clerk: Clerk, done: list[Status]) -> None:
    original = clerk.dispatch("LCA.VP", [HERE])
    clerk.tell(original, "LCA.01", *TO_PEOPLE, *done)
    recall = clerk.dispatch("LCA.VP", [HERE], kind="recall", refers_to=[original])
    assert states(clerk, original)["LCA.01"] == ("take_back_requested", f"recalled by dispatch {recall}")


def test_what_arrives_after_its_recall_is_asked_back_then_and_only_once(clerk: Clerk) -> None:
    original = clerk.dispatch("LCA.VP", [HERE])
    clerk.tell(original, "LCA.01", S.QUEUED, S.TAKEN)
    clerk.dispatch("LCA.VP", [HERE], kind="recall", refers_to=[original])
    clerk.tell(original, "LCA.01", S.ARRIVED, S.ARRIVED)
    assert states(clerk, original)["LCA.01"][0] == "take_back_requested"
    asked = clerk.conn.scalars(select(receipt.c.status).where(receipt.c.status == "take_back_requested"))
    assert len(asked.all()) == 1
    clerk.tell(original, "LCA.01", S.RECALLED)
    assert states(clerk, original)["LCA.01"][0] == "recalled"


def test_what_is_parked_after_its_recall_ends_then(clerk: Clerk) -> None:
    original = clerk.dispatch("LCA.VP", [HERE])
    clerk.tell(original, "LCA.01", S.QUEUED, S.TAKEN)
    recall = clerk.dispatch("LCA.VP", [HERE], kind="recall", refers_to=[original])
    clerk.tell(original, "LCA.01", S.PARKED, reason="full")
    assert states(clerk, original)["LCA.01"] == ("recalled", f"recalled by dispatch {recall}")


def test_what_expired_on_its_way_and_was_recalled_is_not_sent_again(clerk: Clerk) -> None:
    original = clerk.dispatch("LCA.VP", [HERE])
    claim(clerk)
    clerk.tell(original, "LCA.01", S.QUEUED, S.EXPIRED)
    recall = clerk.dispatch("LCA.VP", [HERE], kind="recall", refers_to=[original])
    key = clerk.deliveries[original, "LCA.01"]
    done = redrive(clerk.conn, [key], who="hoa", reason="mended", now_ms=clerk.now)
    assert (done.redriven, done.refused) == ((), {key: f"it was recalled by dispatch {recall}"})
    assert states(clerk, original)["LCA.01"][0] == "recalled"


def test_what_the_unit_refused_has_nothing_to_give_back(clerk: Clerk) -> None:
    original = clerk.dispatch("LCA.VP", [HERE])
    clerk.tell(original, "LCA.01", *TO_PEOPLE, S.REFUSED)
    clerk.dispatch("LCA.VP", [HERE], kind="recall", refers_to=[original])
    assert states(clerk, original)["LCA.01"][0] == "refused"


def test_a_refusal_that_crossed_the_recall_on_the_line_ends_the_delivery(clerk: Clerk) -> None:
    original = clerk.dispatch("LCA.VP", [HERE])
    clerk.tell(original, "LCA.01", *TO_PEOPLE)
    clerk.dispatch("LCA.VP", [HERE], kind="recall", refers_to=[original])
    clerk.tell(original, "LCA.01", S.REFUSED)
    assert states(clerk, original)["LCA.01"][0] == "refused"


def test_only_the_units_addressed_are_recalled_from_and_of_several_dispatches_at_once(clerk: Clerk) -> None:
    first, second = clerk.dispatch("LCA.VP", UNITS), clerk.dispatch("LCA.VP", UNITS[:1])
    clerk.dispatch("LCA.VP", UNITS[:2], kind="recall", refers_to=[first, second])
    assert [state for _, (state, _) in sorted(states(clerk, first).items())] == ["recalled", "recalled", "pending"]
    assert states(clerk, second)["LCA.01"][0] == "recalled"


@pytest.mark.parametrize("kind", ["recall", "update", "replace"])
def test_only_the_issuer_can_change_a_dispatch(clerk: Clerk, kind: str) -> None:
    original = clerk.dispatch("LCA.VP", UNITS)
    refused = answer(clerk, issuer="LCA.02", kind=kind, refers_to=[original])
    assert isinstance(refused, ReferencesError)
    assert refused.status == 422
    assert [item.field for item in refused.problems] == ["refers_to.0"]
    assert "was issued by LCA.VP, not by LCA.02" in refused.problems[0].problem
    assert states(clerk, original)["LCA.01"][0] == "pending"


@pytest.mark.parametrize("kind", ["recall", "update", "replace"])
def test_what_is_recalled_or_changed_has_to_be_here(clerk: Clerk, kind: str) -> None:
    original, unknown = clerk.dispatch("LCA.VP", UNITS), new_id()
    refused = answer(clerk, kind=kind, refers_to=[original, unknown])
    assert isinstance(refused, ReferencesError)
    assert [(item.field, item.given) for item in refused.problems] == [("refers_to.1", unknown)]
    assert clerk.conn.scalars(select(dispatch.c.id)).all() == [original]


def test_an_answer_may_refer_to_what_is_not_here(clerk: Clerk) -> None:
    assert isinstance(answer(clerk, refers_to=[new_id()]), Accepted)


@pytest.mark.parametrize("kind", ["update", "replace"])
def test_an_update_may_go_elsewhere_and_changes_no_state(clerk: Clerk, kind: str) -> None:
    original = clerk.dispatch("LCA.VP", [HERE])
    assert isinstance(answer(clerk, kind=kind, refers_to=[original]), Accepted)
    assert states(clerk, original)["LCA.01"] == ("pending", "")


def test_a_unit_that_never_got_the_document_cannot_be_asked_for_it(clerk: Clerk) -> None:
    original = clerk.dispatch("LCA.VP", [HERE])
    refused = answer(clerk, kind="recall", refers_to=[original])
    assert isinstance(refused, AddressingError)
    assert [(item.field, item.problem) for item in refused.problems] == [
        ("addressees", "did not get what is recalled: LCA.02, LCA.03")
    ]


def test_a_recall_cannot_be_recalled(clerk: Clerk) -> None:
    original = clerk.dispatch("LCA.VP", [HERE])
    recall = clerk.dispatch("LCA.VP", [HERE], kind="recall", refers_to=[original])
    refused = answer(clerk, (HERE,), kind="recall", refers_to=[recall])
    assert isinstance(refused, ReferencesError)
    assert "is a recall itself" in refused.detail


def test_a_second_recall_changes_nothing_more(clerk: Clerk) -> None:
    original = clerk.dispatch("LCA.VP", [HERE, THERE])
    clerk.tell(original, "LCA.01", *TO_PEOPLE)
    clerk.dispatch("LCA.VP", [HERE, THERE], kind="recall", refers_to=[original])
    before = states(clerk, original)
    clerk.dispatch("LCA.VP", [HERE, THERE], kind="recall", refers_to=[original])
    assert states(clerk, original) == before
