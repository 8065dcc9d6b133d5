"""Several things at once, of which the first that fails ends the others."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any


async def together(jobs: Iterable[Coroutine[Any, Any, None]], *, failure: type[Exception]) -> None:
    """Run all to their end.

    Raises:
        failure: the first error of this kind, as it was raised, when no error of another kind is among them.
        ExceptionGroup: of all errors otherwise.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
    except ExceptionGroup as errors:  # not `except*`: what is raised in there is wrapped anew up to Python 3.11.3
        expected, others = errors.split(failure)
        if expected is None or others is not None:
            raise
        raise expected.exceptions[0] from None
