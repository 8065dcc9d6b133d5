"""What a gateway's hello does to the ledger: who is there, what it lost, what it lacks, how its line stands."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from router.ledger.recovery import forgotten, recovering
from router.ledger.units import gateways, presence, receipt_numbers, unit_list
from router.ledger.units.gateways import GatewayHello
from router.ledger.units.presence import Report
from router.ledger.way import outbox, progress, recalls
from schemas.accounts import Account
from schemas.clock import now_ms, to_ms
from schemas.events import Event
from schemas.health import Health
from schemas.receipt import Hello
from schemas.recount import Memory
from schemas.states import Status

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Greeting:
    """A hello, whose it is, and what came with it; ``since_ms`` is since when this router hears hellos (UTC ms).

    ``replaces`` is the spool that lay in its spool's place before; empty when none is known.
    """

    hello: Hello
    sender: Account
    health: Health | None = None
    since_ms: int = 0
    replaces: str = ""
    memory: Memory | None = None
    """What its spool holds; None: its gateway does not say."""


def note(grace_ms: int, connection: Connection, greetings: Sequence[Greeting]) -> list[int]:
    """Note greetings; how many deliveries each made due.

    Args:
        grace_ms: how long receipts may be overtaken before those that are missing are asked for.
        connection: a transaction that writes.
        greetings: in the order in which they came.
    """
    return [_note(grace_ms, connection, item) for item in greetings]


def _note(grace_ms: int, connection: Connection, greeting: Greeting) -> int:
    """A hello that only repeats itself and names a spool that we know changes nothing but the line."""
    hello, now = greeting.hello, now_ms()
    there: Sequence[str] = hello.units
    due, contested = 0, None
    if hello.again:
        there = presence.units_of_spool(connection, hello.spool_id, greeting.sender.pattern)
    if not hello.again or hello.units[0] not in there:
        elsewhere = gateways.held_elsewhere(
            connection,
            hello.units,
            {hello.spool_id, greeting.replaces or hello.spool_id},
            now_ms=now,
            since_ms=greeting.since_ms,
        )
        welcome = [code for code in hello.units if code not in elsewhere]
        contested = bool(elsewhere)
        due = _welcome(connection, hello, welcome, now, ask_at=now + grace_ms)
        there = sorted({*welcome, *there}.difference(elsewhere)) if hello.again else welcome
    gateways.note_said(connection, _said(greeting, now), contested=contested)
    if greeting.memory is not None:
        _compare(connection, greeting, greeting.memory, there, now)
    if hello.line is not None:
        presence.note_report(connection, there, Report(hello.line, to_ms(hello.at), now))
    if greeting.health is not None:
        gateways.note_health(connection, there, greeting.health, now)
    progress.note_held(connection, greeting.sender.pattern, hello.held, now)
    return due


def _compare(connection: Connection, greeting: Greeting, memory: Memory, there: Sequence[str], now: int) -> None:
    """A spool that holds what the ledger does not have shows that the ledger is older; see :mod:`schemas.recount`."""
    told = {memory.newest: memory.unit} if greeting.sender.stands_for(memory.unit) else {}
    if forgotten.note(connection, told, now):
        log.warning(Event.LEDGER_FORGOT, deliveries=1, unit=memory.unit)
    taken = {code: [memory.highest[code]] for code in greeting.hello.units if code in there}
    forgotten.raise_sequences(connection, taken)
    recovering.greet(connection, greeting.hello.spool_id, there, now, anew=not greeting.hello.again)


def _said(greeting: Greeting, now: int) -> GatewayHello:
    hello = greeting.hello
    every_ms = hello.line.every * 1000 if hello.line is not None else 0
    return GatewayHello(
        hello.spool_id,
        greeting.sender.name,
        now,
        every_ms,
        hello.gateway_version,
        greeting.health,
        recounts=greeting.memory is not None,
    )


def _welcome(connection: Connection, hello: Hello, welcome: Sequence[str], now: int, *, ask_at: int) -> int:
    """What a new spool never got becomes due; what it has given and we have not is asked for at ``ask_at``."""
    renewed = unit_list.record_seen(connection, welcome, now, hello.spool_id, hello.gateway_version)
    given = dict(zip(hello.units, hello.receipts or [0] * len(hello.units), strict=True))
    receipt_numbers.greet(connection, hello.spool_id, {code: given[code] for code in welcome}, ask_at=ask_at)
    recalls.send_again(connection, renewed, now)
    return outbox.make_due(connection, renewed, [Status.QUEUED, Status.TAKEN], now)
