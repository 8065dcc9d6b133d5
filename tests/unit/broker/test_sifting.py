"""A message that its handler fails at costs the others next to nothing."""

from collections.abc import Collection, Sequence

from hypothesis import given
from hypothesis import strategies as st

from router.broker import Delivered
from router.broker.sifting import PATIENCE, STRIKES, Sifter


class AwayError(Exception):
    pass


class Handler:
    """Fails at batches that hold certain messages."""

    def __init__(self, bad: Collection[str], error: type[Exception] = ValueError) -> None:
        self.bad = set(bad)
        self.error = error
        self.away = False
        self.calls: list[list[str]] = []

    async def __call__(self, batch: Sequence[Delivered]) -> Collection[int]:
        ids = [message.message_id for message in batch]
        self.calls.append(ids)
        if self.away or self.bad.intersection(ids):
            raise self.error("cannot")
        return [index for index, key in enumerate(ids) if key.startswith("reject")]


def messages(*ids: str) -> list[Delivered]:
    return [Delivered(key.encode(), "q", "k", key, "t", "u", {}, "", "", redelivered=False) for key in ids]


async def rounds(sifter: Sifter, batch: list[Delivered], count: int) -> None:
    for _ in range(count):
        sifted = await sifter.run(batch)
        assert sifted.failed == set(range(len(batch)))


@given(count=st.integers(2, 40), bad=st.sets(st.integers(0, 39), min_size=1, max_size=3))
async def test_the_bad_ones_are_found_and_all_others_pass(count: int, bad: set[int]) -> None:
    bad = {number for number in bad if number < count}
    if not bad or len(bad) == count:
        return
    handler = Handler({f"m{number}" for number in bad})
    sifter = Sifter(handler, ())
    batch = messages(*(f"m{number}" for number in range(count)))
    await rounds(sifter, batch, PATIENCE - 1)
    sifted = await sifter.run(batch)
    assert (set(sifted.suspects), sifted.failed, sifted.rejected) == (bad, set(), set())


async def test_once_it_is_known_the_others_are_handled_at_once_and_together() -> None:
    handler = Handler({"bad"})
    sifter = Sifter(handler, ())
    await rounds(sifter, messages("a", "bad", "b"), PATIENCE - 1)
    await sifter.run(messages("a", "bad", "b"))
    handler.calls.clear()
    await sifter.run(messages("c", "bad", "d", "e"))
    assert handler.calls == [["c", "d", "e"], ["bad"]]


async def test_it_is_put_aside_when_it_has_failed_often_enough_while_others_passed() -> None:
    sifter = Sifter(Handler({"bad"}), ())
    await rounds(sifter, messages("bad", "a"), PATIENCE - 1)
    for number in range(1, STRIKES):
        sifted = await sifter.run(messages("bad", f"a{number}"))
        assert sifted.suspects == {0: number}
    sifted = await sifter.run(messages("bad", "last"))
    assert sifted.rejected == {0}
    assert sifter.suspects == 0


async def test_what_fails_for_a_reason_outside_of_it_is_set_apart_but_never_put_aside() -> None:
    sifter = Sifter(Handler({"bad"}, AwayError), (AwayError,))
    await rounds(sifter, messages("bad", "a"), PATIENCE - 1)
    for number in range(3 * STRIKES):
        sifted = await sifter.run(messages("bad", f"a{number}"))
        assert (set(sifted.suspects), sifted.rejected) == ({0}, set())


async def test_while_all_fail_nobody_is_suspected_and_few_are_tried() -> None:
    handler = Handler(())
    handler.away = True
    sifter = Sifter(handler, ())
    batch = messages(*(f"m{number}" for number in range(500)))
    await rounds(sifter, batch, PATIENCE + 3 * STRIKES)
    assert sifter.suspects == 0
    assert max(len(handler.calls) / (PATIENCE + 3 * STRIKES), 0) < 20
    handler.away = False
    assert (await sifter.run(batch)).error is None


async def test_one_that_fails_with_nobody_beside_it_holds_up_nobody_who_comes_later() -> None:
    sifter = Sifter(Handler({"bad"}), ())
    await rounds(sifter, messages("bad"), PATIENCE - 1)
    assert (await sifter.run(messages("bad"))).suspects == {0: 1}
    assert (await sifter.run(messages("a"))).error is None


async def test_a_suspect_that_passes_is_forgotten() -> None:
    handler = Handler({"bad"})
    sifter = Sifter(handler, ())
    await rounds(sifter, messages("bad", "a"), PATIENCE - 1)
    await sifter.run(messages("bad", "a"))
    handler.bad.clear()
    assert (await sifter.run(messages("bad"))).error is None
    assert sifter.suspects == 0


async def test_what_the_handler_rejects_is_rejected_whichever_part_it_was_in() -> None:
    sifter = Sifter(Handler({"bad"}), ())
    batch = messages("a", "reject-1", "bad", "b", "reject-2")
    await rounds(sifter, batch, PATIENCE - 1)
    assert (await sifter.run(batch)).rejected == {1, 4}


async def test_a_suspect_that_passes_while_all_others_fail_makes_no_suspects_of_them() -> None:
    handler = Handler({"bad"})
    sifter = Sifter(handler, ())
    await rounds(sifter, messages("bad", "a"), PATIENCE - 1)
    await sifter.run(messages("bad", "a"))
    handler.bad = {"b", "c"}
    sifted = await sifter.run(messages("bad", "b", "c"))
    assert (sifted.suspects, sifted.failed) == ({}, {1, 2})
    assert sifter.suspects == 0
