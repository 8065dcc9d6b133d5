"""What a parked delivery says of a content is looked into."""

from pathlib import Path

import pytest

from router.content import ContentStore
from router.content.doubts import Doubts
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.receipts import Recorded
from schemas.states import Effect, Status, Step
from support.conditions import holds
from support.rot import rot


def parked(reason: str, effect: Effect = Effect.ADVANCE, status: Status = Status.PARKED) -> Recorded:
    return Recorded(NewReceipt("1", "2", status, "", 0, reason=reason), Step(effect), 0)


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "content", reserve_bytes=0)


async def test_a_content_that_a_unit_got_wrong_is_hashed_and_put_aside_when_it_rotted(store: ContentStore) -> None:
    rotten, sound = (await store.put(b"rotten")).sha256, (await store.put(b"sound")).sha256
    rot(store.path(rotten))
    doubts = Doubts(store, lambda _store, _sha256: False)
    doubts.note(
        [parked(f"content {name} of 6 bytes came as 6 bytes with SHA-256 {'0' * 64}") for name in (sound, rotten)]
    )
    await holds(lambda: [item.sha256 for item in store.damaged()] == [rotten])
    doubts.close()
    assert store.sound(sound) == 5


async def test_other_receipts_are_no_doubts(store: ContentStore) -> None:
    rotten = (await store.put(b"rotten")).sha256
    rot(store.path(rotten))
    doubts = Doubts(store, lambda _store, _sha256: False)
    doubts.note([parked(rotten, Effect.STALE), parked(rotten, status=Status.REFUSED), parked("the disk is full")])
    assert doubts._waiting == set()
    doubts.close()
    assert store.damaged() == []
