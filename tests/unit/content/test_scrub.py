"""The rounds over the stored contents: they find what rots, at a bounded rate, and go on where they were."""

import hashlib
import threading
import time
from functools import partial
from pathlib import Path

import pytest

from router.content import ContentStore, State
from router.content.encoding import forms
from router.content.encoding.maker import Maker
from router.content.encoding.restoring import restore
from router.content.scrub import ReadingPace, Scrub, StoppedError
from router.ledger.engine import open_engine
from support.ledgers import sqlite_ledger
from support.packing import letter_bytes
from support.rot import rot

FAST = 1 << 40


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "content", reserve_bytes=0)


class Clock:
    """Seconds since 1970, as a test sets them."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def scrub_over(store: ContentStore, clock: Clock, *, rate: int = FAST) -> Scrub:
    engine = open_engine(sqlite_ledger(store.root.parent / "ledger.sqlite3"))
    again = partial(restore, engine=engine)
    return Scrub(store, rate=rate, every=1000.0, forms=forms.verify, restore=again, clock=clock)


async def filled(store: ContentStore, count: int = 5) -> list[str]:
    return sorted([(await store.put(b"%d" % number)).sha256 for number in range(count)])


async def test_what_rots_is_found_and_put_aside_though_size_and_time_are_what_they_were(store: ContentStore) -> None:
    names = await filled(store)
    assert store.sound(names[2]) is not None
    rot(store.path(names[2]))
    assert store.sound(names[2]) is not None, "it cannot be seen without hashing"
    scrub_over(store, Clock()).go_on()
    assert [item.sha256 for item in store.damaged()] == [names[2]]
    assert [store.sound(name) is not None for name in names] == [True, True, False, True, True]


async def test_a_round_begins_only_when_it_is_due(store: ContentStore) -> None:
    (name,) = await filled(store, 1)
    clock = Clock()
    scrub = scrub_over(store, clock)
    scrub.go_on()
    rot(store.path(name))
    clock.now += 999
    scrub.go_on()
    assert store.damaged() == []
    clock.now += 2
    scrub.go_on()
    assert [item.sha256 for item in store.damaged()] == [name]


async def test_a_clock_that_was_ahead_puts_no_round_off_for_years(store: ContentStore) -> None:
    (name,) = await filled(store, 1)
    clock = Clock()
    clock.now += 3e7
    scrub_over(store, clock).go_on()
    rot(store.path(name))
    clock.now -= 3e7
    scrub_over(store, clock).go_on()
    assert [item.sha256 for item in store.damaged()] == [name]


async def test_a_restart_goes_on_where_the_round_was(store: ContentStore, monkeypatch: pytest.MonkeyPatch) -> None:
    names = await filled(store)
    looked: list[str] = []
    verify = store.verify
    monkeypatch.setattr(store, "verify", lambda name, pace: looked.append(name) or verify(name, pace))  # type: ignore[func-returns-value]
    monkeypatch.setattr("router.content.scrub.SLICE_SECONDS", -1.0)
    clock = Clock()
    for count in range(1, len(names) + 1):
        scrub_over(store, clock).go_on()
        assert looked == names[:count]
    (store.root / "scrub.json").write_text("{")
    scrub_over(store, clock).go_on()
    assert looked[-1] == names[0], "half a note begins anew"


async def test_a_damaged_content_is_made_again_from_its_form(store: ContentStore) -> None:
    text = letter_bytes(3)
    stored = await store.put(text)
    assert Maker(store, stored.sha256, stored.size, lambda: 60.0, dictionaries=store).zstd() is not None
    rot(store.path(stored.sha256))
    scrub_over(store, Clock()).go_on()
    assert store.path(stored.sha256).read_bytes() == text
    assert store.damaged() == []


async def test_of_two_routers_one_alone_is_at_it(store: ContentStore) -> None:
    (name,) = await filled(store, 1)
    rot(store.path(name))
    begun, over = threading.Event(), threading.Event()

    def hold(_store: ContentStore, _sha256: str, _pace: object) -> None:
        begun.set()
        over.wait(30)

    first = Scrub(store, rate=FAST, every=1000.0, forms=hold, restore=lambda _store, _name: False, clock=Clock())
    thread = threading.Thread(target=first.go_on)
    thread.start()
    assert begun.wait(30)
    looked: list[str] = []
    other = Scrub(
        ContentStore(store.root, reserve_bytes=0),
        rate=FAST,
        every=1000.0,
        forms=lambda _store, sha256, _pace: looked.append(sha256),
        restore=lambda _store, _name: False,
        clock=Clock(),
    )
    other.go_on()
    assert looked == []
    over.set()
    thread.join(30)
    assert [item.sha256 for item in store.damaged()] == [name]


async def test_a_router_that_ends_is_not_kept_by_a_slow_round(store: ContentStore) -> None:
    await store.put(bytes(4 * 1024**2))
    scrub = scrub_over(store, Clock(), rate=1)
    thread = threading.Thread(target=scrub.go_on)
    thread.start()
    scrub.stop()
    thread.join(30)
    assert not thread.is_alive()


def test_no_more_bytes_are_read_than_the_rate_allows() -> None:
    began, pace = time.monotonic(), ReadingPace(1_000_000, threading.Event())
    for _ in range(5):
        pace(40_000)
    assert time.monotonic() - began >= 0.2
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(StoppedError):
        ReadingPace(1, stopping)(10)


async def test_a_file_that_is_replaced_while_it_is_hashed_is_not_put_aside(store: ContentStore) -> None:
    """The bytes came again in the meantime: it is the new file that counts."""
    data = b"x" * 100
    name = hashlib.sha256(data).hexdigest()
    await store.put(data)
    rot(store.path(name))
    fresh = store.root / "incoming" / "fresh"

    def replace_it(_count: int) -> None:
        if not fresh.exists():
            fresh.write_bytes(data)
            fresh.rename(store.path(name))
            fresh.touch()

    assert store.verify(name, replace_it) is State.SOUND
    assert store.path(name).read_bytes() == data
    assert store.damaged() == []
