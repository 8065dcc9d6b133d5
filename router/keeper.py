"""Keeps the broker in line with the ledger: after every (re)connect and every change of units or accounts.

A queue that had to be made anew was lost with what lay in it, so the deliveries that waited there become due again:
this is how the service outlives a broker whose disk was wiped.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog
from sqlalchemy import Connection, Engine
from tenacity import retry_if_exception, wait_random_exponential
from tenacity.asyncio import AsyncRetrying

from router.broker import BrokerError, SessionState
from router.broker.topology import BrokerAccount, Changes, Topology, plan
from router.clocks import Organisation
from router.directory import Directory
from router.errors import RouterError
from router.ledger import accounts, outbox
from router.ledger.engine import reading
from router.ledger.writer import Writer
from router.process.fate import may_pass
from router.recorder import QUEUE as RECEIPTS_QUEUE
from schemas.clock import now_ms
from schemas.events import Event
from schemas.states import Status

log = structlog.get_logger()


class Keeper:
    """Applies the topology and lets the relay publish when it stands.

    Args:
        engine: the ledger, for accounts.
        organisation: the present directory.
        writer: for making deliveries of lost queues due.
        apply: brings the broker in line with a topology; None when the administrator does that by hand.
        steady: set while the broker is known to stand as planned.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        organisation: Organisation,
        writer: Writer,
        vhost: str,
        apply: Callable[[Topology], Awaitable[Changes]] | None,
        steady: asyncio.Event,
    ) -> None:
        self._engine = engine
        self._organisation = organisation
        self._writer = writer
        self._vhost = vhost
        self._apply = apply
        self._steady = steady
        self._wanted = asyncio.Event()

    def on_session(self, state: SessionState) -> None:
        """The router's session came up or went: the broker behind it may be another than before."""
        if state is SessionState.UP:
            self._wanted.set()
        elif state is not SessionState.BLOCKED:
            self._steady.clear()

    def on_change(self) -> None:
        """Units or accounts have changed."""
        self._wanted.set()

    async def run(self) -> None:
        """Bring the broker in line whenever it is wanted, until cancelled."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            if self._apply is not None:
                await self._bring_in_line(self._apply)
            self._steady.set()

    async def _bring_in_line(self, apply: Callable[[Topology], Awaitable[Changes]]) -> None:
        changes: Changes = await self._patiently()(self._once, apply)
        lost = lost_units(changes.created_queues, self._organisation.directory)
        if lost:  # who lost what is known now alone
            await self._patiently()(self._writer.run, _make_due, lost)

    @staticmethod
    def _patiently() -> AsyncRetrying:
        return AsyncRetrying(
            retry=retry_if_exception(_may_be_done_later),
            wait=wait_random_exponential(multiplier=0.5, max=15),
            before_sleep=lambda state: log.warning(
                Event.TOPOLOGY_FAILED, error=str(state.outcome and state.outcome.exception())
            ),
        )

    async def _once(self, apply: Callable[[Topology], Awaitable[Changes]]) -> Changes:
        wanted = await asyncio.to_thread(self._plan)
        return await apply(wanted)

    def _plan(self) -> Topology:
        with reading(self._engine) as connection:
            rows = accounts.list_accounts(connection)
        logins = [BrokerAccount(row.name, row.token_hash) for row in rows if row.is_valid(now_ms())]
        return plan(self._organisation.directory.all, logins, vhost=self._vhost, day=self._organisation.today)


def _may_be_done_later(error: BaseException) -> bool:
    return isinstance(error, BrokerError | RouterError) or may_pass(error)


def lost_units(created: Sequence[str], directory: Directory) -> list[str]:
    """The units whose waiting deliveries went with a queue that had to be made anew.

    When the receipts' own queue is new, receipts of any unit may be lost with it, so all units are asked again: they
    answer a repeated delivery with the receipts they have.
    """
    if RECEIPTS_QUEUE in created:
        return [unit.code for unit in directory.all]
    return sorted({name.split(".", 1)[1].rsplit(".", 1)[0] for name in created if name.startswith("unit.")})


def make_due_again(connection: Connection, codes: Sequence[str]) -> int:
    """Have what waited in the lost queues of these units published again; how many deliveries."""
    waiting = [Status.PENDING, Status.QUEUED, Status.TAKEN, Status.REDRIVEN]
    return outbox.make_due(connection, codes, waiting, now_ms())


def _make_due(connection: Connection, batches: Sequence[Sequence[str]]) -> list[int]:
    return [make_due_again(connection, codes) for codes in batches]
