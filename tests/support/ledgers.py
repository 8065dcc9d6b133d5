"""Ledgers for tests: an empty database of either kind, and rows in it made in few words."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import Connection, select

from router.ledger.engine import upgrade
from router.ledger.models import delivery
from router.ledger.units.unit_list import import_units
from router.ledger.way import holders
from router.ledger.way.acceptance import NewDispatch, accept
from router.ledger.way.holders import Brought
from router.ledger.way.new_receipt import NewReceipt
from router.ledger.way.outbox import Claim, claim
from router.ledger.way.receipts import apply
from router.rules.schedule import Silence
from schemas.attachment import Attachment, content_digest
from schemas.clock import iso, now_ms
from schemas.dispatch import Submission
from schemas.ids import new_id
from schemas.states import Status
from schemas.trace import new_traceparent
from schemas.unit import Link, Unit
from support.postgres import fresh_database

SQLITE, POSTGRESQL = "sqlite", "postgresql"
START = 1_790_000_000_000
"""The tests' present, UTC ms."""


@contextmanager
def empty_ledger(kind: str, directory: Path, postgres_url: str) -> Iterator[str]:
    """The URL of an empty database."""
    if kind == SQLITE:
        yield f"sqlite:///{directory / 'ledger.sqlite3'}"
        return
    with fresh_database(postgres_url) as url:
        yield url


def sqlite_ledger(file: Path) -> str:
    """The URL of a SQLite ledger with nothing in its tables, which are copied: making them takes longer."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(_tables())
    return f"sqlite:///{file}"


@cache
def _tables() -> bytes:
    with TemporaryDirectory() as directory:
        file = Path(directory) / "ledger.sqlite3"
        upgrade(f"sqlite:///{file}")
        return file.read_bytes()


def unit(code: str, link: Link = Link.LAN, **fields: object) -> Unit:
    """A unit named after its code, below the one its code says."""
    parent = code.rpartition(".")[0] or None
    return Unit.model_validate(
        {"code": code, "parent": parent, "name": f"Đơn vị {code}", "kind": "unit", "link": link} | fields
    )


@dataclass(slots=True)
class Clerk:
    """Fills a ledger through the router's own functions; each dispatch is accepted a second after the one before."""

    conn: Connection
    now: int = START
    deliveries: dict[tuple[str, str], str] = field(default_factory=dict)
    """(dispatch id, unit code) → delivery id."""
    _burst: list[NewReceipt] | None = None

    def dispatch(self, issuer: str, units: Sequence[Unit], **fields: object) -> str:
        """Accept a dispatch; its id."""
        self.now += 1000
        letter = {"issuer": issuer, "notation": "1-CV/TU", "subject": "Về việc kiểm tra", "addressees": ["LCA.#"]}
        new = new_dispatch(Submission.model_validate(letter | fields), units, self.now)
        accept_with_files(self.conn, new)
        rows = self.conn.execute(select(delivery.c.unit, delivery.c.id).where(delivery.c.dispatch_id == new.id))
        self.deliveries |= {(new.id, code): key for code, key in rows}
        return new.id

    def tell(self, dispatch_id: str, code: str, *states: Status, **fields: str | int) -> None:
        """Record receipts of one delivery, one after the other."""
        for status in states:
            self.now += 1000
            key = self.deliveries[dispatch_id, code]
            entry = NewReceipt(new_id(), key, status, iso(self.now), self.now, **fields)  # type: ignore[arg-type]
            if self._burst is not None:
                self._burst.append(entry)
            else:
                apply(self.conn, [entry], Silence())

    def publish(self) -> None:
        """Have a relay claim what is due, so that units may speak of it."""
        claim(self.conn, [Claim(self.now, self.now + 60_000, 1000)])

    @contextmanager
    def burst(self) -> Iterator[None]:
        """Record what is told meanwhile in one go at the end, as a burst from a unit is."""
        burst: list[NewReceipt] = []
        self._burst = burst
        yield
        self._burst = None
        apply(self.conn, burst, Silence())

    def entry(self, delivery_id: str, status: Status, code: str, seq: int) -> NewReceipt:
        """A receipt of a unit, with its number."""
        return NewReceipt(new_id(), delivery_id, status, iso(self.now), self.now, unit=code, seq=seq)

    def units(self, *items: Unit) -> None:
        """Put units into the directory."""
        import_units(self.conn, items, now_ms=self.now)

    def made_due(self) -> set[str]:
        """The deliveries that were made due in the last minute of the clock on the wall."""
        now = now_ms()
        return set(self.conn.scalars(select(delivery.c.id).where(delivery.c.next_due_at.between(now - 60_000, now))))


def accept_with_files(conn: Connection, new: NewDispatch) -> None:
    """Accept a dispatch whose issuer has brought its attachments before."""
    brought = [Brought(file.sha256, file.size, new.account, new.accepted_at) for file in new.submission.attachments]
    if brought:
        holders.note(conn, brought)
    (accepted,) = accept(conn, [new])
    assert not isinstance(accepted, Exception), accepted


def attachment(content: bytes = b"content", name: str = "a.pdf") -> Attachment:
    """An attachment as a submission names it."""
    return Attachment(name=name, media_type="application/pdf", size=len(content), sha256=sha256(content).hexdigest())


def new_dispatch(submission: Submission, units: Sequence[Unit], now: int) -> NewDispatch:
    """A submission as the intake hands it to the ledger."""
    text = submission.model_dump_json().encode()
    key = new_id()
    return NewDispatch(
        id=key,
        submission=submission,
        units=units,
        account=f"issuer:{submission.issuer}",
        idempotency_key=key,
        submission_json=text,
        submission_sha256=sha256(text).hexdigest(),
        body=text,
        content_sha256=content_digest(submission.attachments),
        record=None,
        traceparent=new_traceparent(),
        accepted_at=now,
        called_back=tuple(item.code for item in units),
    )
