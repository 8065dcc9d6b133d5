"""What a gateway's hello does to the ledger: who is there, what it lost, what it misses, how its line stands."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from router.ledger import heard, outbox, presence, progress, recalls, units
from router.ledger.presence import Report
from schemas.accounts import Account
from schemas.clock import now_ms, to_ms
from schemas.receipt import Hello
from schemas.states import Status


@dataclass(frozen=True, slots=True)
class Greeting:
    """A hello and whose it is."""

    hello: Hello
    sender: Account


def note(grace_ms: int, connection: Connection, greetings: Sequence[Greeting]) -> list[int]:
    """Note greetings; how many deliveries each made due.

    Args:
        grace_ms: how long receipts may be overtaken before those that miss are asked for.
        connection: a transaction that writes.
        greetings: in the order in which they came.
    """
    return [_note(grace_ms, connection, item) for item in greetings]


def _note(grace_ms: int, connection: Connection, greeting: Greeting) -> int:
    """A hello that only repeats itself and names a spool that we know changes nothing but the line."""
    hello, now = greeting.hello, now_ms()
    there: Sequence[str] = hello.units
    due = 0
    if hello.again:
        there = presence.units_of_spool(connection, hello.spool_id, greeting.sender.pattern)
    if not hello.again or hello.units[0] not in there:
        there = hello.units
        due = _welcome(connection, hello, now, ask_at=now + grace_ms)
    if hello.line is not None:
        presence.note_report(connection, there, Report(hello.line, to_ms(hello.at), now))
    progress.note_held(connection, greeting.sender.pattern, hello.held, now)
    return due


def _welcome(connection: Connection, hello: Hello, now: int, *, ask_at: int) -> int:
    """What a new spool never got becomes due; what it has given and we have not is asked for at ``ask_at``."""
    renewed = units.record_seen(connection, hello.units, now, hello.spool_id, hello.gateway_version)
    given = dict(zip(hello.units, hello.receipts or [0] * len(hello.units), strict=True))
    heard.greet(connection, hello.spool_id, given, ask_at=ask_at)
    recalls.send_again(connection, renewed, now)
    return outbox.make_due(connection, renewed, [Status.QUEUED, Status.TAKEN], now)
