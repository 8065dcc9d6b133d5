"""What becomes of a delivery that meets a failure which is neither its content's nor its sink's."""

import errno
from typing import Any, cast

import pytest

from consumers.delivering.errand import LONGEST_TROUBLE_PAUSE, OWN_ERROR_ATTEMPTS, Errand, Errands, after_failure
from consumers.errors import DiskFullError, SpoolUnavailableError
from consumers.spool import Spool, Writer, work
from consumers.spool.taking import take
from router.process.fate import Fate, fate_of
from schemas.dispatch import Lane
from support.deliveries import ONE_MINUTE, arriving


@pytest.mark.parametrize("fate", Fate)
def test_what_passes_is_waited_for_without_end_and_only_what_lasts_ends_at_once(fate: Fate) -> None:
    steps = [after_failure(fate, tries=tries, attempts=3) for tries in range(1, 40)]
    pauses = [step.pause for step in steps]
    assert pauses == sorted(pauses)
    assert 0 < pauses[0] < pauses[-1] == LONGEST_TROUBLE_PAUSE
    assert {step.attempts for step in steps} == {3 if fate.passes else 4}
    ends = [number for number, step in enumerate(steps, start=1) if step.parks]
    first = 1 if fate is Fate.LASTING else OWN_ERROR_ATTEMPTS
    assert ends == ([] if fate.passes else list(range(first, 40)))


ERRORS = [
    *(OSError(getattr(errno, name), name) for name in ("EMFILE", "EIO", "ENOSPC", "EACCES", "ENAMETOOLONG")),
    SpoolUnavailableError("the spool cannot be used now"),
    DiskFullError("the disk has no room"),
    MemoryError(),
    KeyError("a bug"),
    ExceptionGroup("of two contents", [KeyError("a bug"), OSError(errno.EMFILE, "Too many open files")]),
]


class Failing:
    """In place of what brings contents."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    async def bring(self, *_: Any) -> None:
        raise self.error


@pytest.mark.parametrize("error", ERRORS, ids=repr)
async def test_a_first_failure_parks_nothing_that_is_not_known_to_last(
    error: Exception, spool: Spool, writer: Writer
) -> None:
    with spool.writing() as conn:
        take(conn, [([arriving(seq=1)], ONE_MINUTE)])
    with spool.reading() as conn:
        (item,) = work.outlook(conn, Lane.NORMAL, limit=1, without=()).ready
    anything = cast("Any", None)
    errands = Errands(
        writer,
        anything,
        anything,
        cast("Any", Failing(error)),
        anything,
        hands_over=False,
        keeps_files=True,
        hand_overs=1,
        max_bytes=2**30,
        on_said=lambda _lane: None,
    )

    async def fail(_errand: Errand) -> None:
        raise error

    errands._bring = fail  # type: ignore[assignment, method-assign]
    await errands.run(Errand(item))
    with spool.reading() as conn:
        outlook = work.outlook(conn, Lane.NORMAL, limit=1, without=())
    waits = outlook.next_at is not None or bool(outlook.ready)
    assert waits is (fate_of(error) is not Fate.LASTING)
