import asyncio

import pytest

from consumers.errors import FetchError
from router.process.together import together


async def fail(error: Exception) -> None:
    raise error


async def test_the_first_failure_comes_out_as_it_is_and_ends_the_others() -> None:
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("the other")

    gone = FetchError("it is gone")
    with pytest.raises(FetchError) as raised:
        await together([wait(), fail(gone)], failure=FetchError)
    assert raised.value is gone
    assert ended == ["the other"]


async def test_an_error_of_another_kind_is_never_hidden_behind_an_expected_one() -> None:
    with pytest.raises(ExceptionGroup) as raised:
        await together([fail(FetchError("gone")), fail(ValueError("a fault of ours"))], failure=FetchError)
    assert {type(error) for error in raised.value.exceptions} == {FetchError, ValueError}
    with pytest.raises(ExceptionGroup):
        await together([fail(ValueError("a fault of ours"))], failure=FetchError)


async def test_all_run_to_their_end() -> None:
    done: list[int] = []

    async def note(number: int) -> None:
        await asyncio.sleep(0)
        done.append(number)

    await together(map(note, range(3)), failure=FetchError)
    assert sorted(done) == [0, 1, 2]
