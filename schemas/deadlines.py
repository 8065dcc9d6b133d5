"""Deadlines that are kept on a disk, as they count now.

A clock that was ahead when a deadline was set leaves one that nobody meant: in a year instead of in a minute. So none
is believed that lies further ahead than it can have been set. What people name themselves (a token's end, an answer's
due date) is no such deadline.
"""

from typing import Any


def is_over(at: Any, *, now: Any, longest: Any) -> Any:
    """Whether a deadline has passed, or was set by a clock that was ahead and is none.

    Numbers give a truth value, columns of a table a condition.

    Args:
        at: the deadline.
        now: the present, in the same unit.
        longest: how far ahead such a deadline is ever set.

    >>> is_over(5, now=10, longest=60), is_over(70, now=10, longest=60), is_over(71, now=10, longest=60)
    (True, False, True)
    """
    return (at <= now) | is_misset(at, now=now, longest=longest)


def is_misset(at: Any, *, now: Any, longest: Any) -> Any:
    """Whether a deadline was set by a clock that was ahead; arguments as above."""
    return at > now + longest
