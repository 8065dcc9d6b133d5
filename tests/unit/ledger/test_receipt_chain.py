"""The chain of receipts shows what was changed."""

from dataclasses import replace
from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from router.ledger.queries import ReceiptRow
from router.ledger.queries.chain import links_of
from schemas.states import Effect, Status

TEXT = st.text(max_size=20)
RECEIPTS = st.lists(
    st.builds(
        ReceiptRow,
        pos=st.integers(1, 9),
        id=TEXT,
        status=st.sampled_from(Status),
        effect=st.sampled_from(Effect),
        recorded_at=st.integers(0, 9),
        at=TEXT,
        reason=TEXT,
        person=TEXT,
        department=TEXT,
        register_number=TEXT,
        content_sha256=st.none() | TEXT,
        attempts=st.integers(0, 9),
        gateway_version=TEXT,
    ),
    max_size=6,
)


def test_a_link_is_computed_as_its_description_says() -> None:
    row = ReceiptRow(
        7, "r1", Status.ARRIVED, Effect.ADVANCE, 5, "2026-11-22T08:00:00+07:00", "", "", "", "", "ab", 1, ""
    )
    said = (
        '{"id":"r1","status":"arrived","at":"2026-11-22T08:00:00+07:00","content_sha256":"ab","reason":"",'
        '"person":"","department":"","register_number":"","attempts":1}'
    )
    first = sha256(f"d1\n{said}".encode()).hexdigest()
    second = sha256(f"{first}\n{said}".encode()).hexdigest()
    assert list(links_of("d1", [row, row])) == [first, second]


@given(RECEIPTS, st.data())
def test_a_change_shows_in_every_link_from_there_on(receipts: list[ReceiptRow], data: st.DataObject) -> None:
    before = list(links_of("d1", receipts))
    assert len(before) == len(receipts)
    if not receipts:
        return
    place = data.draw(st.integers(0, len(receipts) - 1))
    changed = [*receipts[:place], replace(receipts[place], person=f"{receipts[place].person}x"), *receipts[place + 1 :]]
    after = list(links_of("d1", changed))
    assert after[:place] == before[:place]
    assert all(old != new for old, new in zip(before[place:], after[place:], strict=True))
