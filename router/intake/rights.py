"""Judges what a sender may send, before anything is made ready: whom, how urgently, how much at once."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

from sqlalchemy import Engine

from router.errors import RightsError
from router.ledger.engine import reading
from router.ledger.people import rights as kept
from router.ledger.people.senders import PersonSender
from schemas.accounts import Account
from schemas.dispatch import Submission
from schemas.errors import FieldProblem
from schemas.rights import DEFAULTS, Amount, Rights, out_of_reach

REMEMBERED_SECONDS = 5.0
"""How long rights are taken as they were: the longest that withdrawn ones still work."""
_REMEMBERED = 2000
_NAMED = 5
"""Units that a refusal names."""


class RightsOf(Protocol):
    """Where the intake finds what an account may send."""

    async def of(self, account: Account) -> Rights:
        """Its rights of now."""
        ...


class ByRole:
    """What accounts have by their roles alone."""

    async def of(self, account: Account) -> Rights:
        """The role's; a person's are their own."""
        return account.rights if isinstance(account, PersonSender) else DEFAULTS[account.role]


class RightsBook:
    """The rights in the ledger, remembered for a moment."""

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._known: OrderedDict[str, tuple[Rights, float]] = OrderedDict()

    async def of(self, account: Account) -> Rights:
        """An account's rights.

        Raises:
            LedgerUnavailableError: the ledger cannot be asked.
        """
        if isinstance(account, PersonSender):
            return account.rights
        known = self._known.get(account.name)
        if known is not None and self._clock() < known[1]:
            return known[0]
        rights = await asyncio.to_thread(self._ask, account)
        self._known[account.name] = rights, self._clock() + REMEMBERED_SECONDS
        self._known.move_to_end(account.name)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return rights

    def _ask(self, account: Account) -> Rights:
        with reading(self._engine) as conn:
            return kept.rights_of(conn, account)


def judge(account: Account, rights: Rights, submission: Submission, units: Sequence[str]) -> None:
    """Refuse what an account may not send to the units that its rules reach.

    Raises:
        RightsError: with each field that goes too far.
    """
    problems = [*_reach_problems(rights, submission, units)]
    if submission.urgency > rights.max_urgency:
        told = f"urgency {int(submission.urgency)} is above {rights.max_urgency}, the highest that it may send"
        problems.append(FieldProblem("urgency", told, str(int(submission.urgency))))
    if excess := rights.hourly.excess(Amount.of([file.size for file in submission.attachments], len(units))):
        problems.append(FieldProblem("addressees", f"it would send {excess}: never at once"))
    if problems:
        raise RightsError(
            f"{account.name} may not send this: {'; '.join(item.problem for item in problems)}", problems=problems
        )


def _reach_problems(rights: Rights, submission: Submission, units: Sequence[str]) -> Sequence[FieldProblem]:
    if not rights.reach:
        return [FieldProblem("issuer", "it may not send at all", submission.issuer)]
    strangers = out_of_reach(rights, submission.issuer, units)
    if not strangers:
        return []
    more = f" and {len(strangers) - _NAMED} more" if len(strangers) > _NAMED else ""
    told = f"{submission.issuer} may not address {', '.join(strangers[:_NAMED])}{more}"
    return [FieldProblem("addressees", told)]
