"""What the unit sends: taken from the outbox, brought to the router, accepted there or rejected."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, bindparam, delete, exists, func, select, text, update

from consumers.spool.models import desk_letter, draft, outgoing, outgoing_file
from consumers.spool.sets import among, as_list, insert_rows
from schemas.clock import now_ms
from schemas.deadlines import is_over
from schemas.stages import Stage
from schemas.text import fold

BATCH = 500
"""Documents forgotten in one transaction."""


@dataclass(frozen=True, slots=True)
class SendingFile:
    """A file of it: its name in the document's folder, its SHA-256, its size in bytes."""

    file_name: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class TakenDocument:
    """A document as it was taken; with a reason, one that cannot be sent; ``secret``: a state secret."""

    id: str
    name: str
    issuer: str = ""
    notation: str = ""
    subject: str = ""
    urgency: int = 0
    body: bytes = b""
    files: tuple[SendingFile, ...] = ()
    reason: str = ""
    secret: bool = False


@dataclass(frozen=True, slots=True)
class QueuedDocument:
    """A document that waits to go up."""

    pos: int
    id: str
    name: str
    urgency: int
    size: int
    body: bytes
    kept: bool
    """Its files lie among the contents, each under its hash; else in its folder of the outbox."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of one: a dispatch with so many addressees, or a reason; ``at`` in UTC milliseconds."""

    stage: Stage
    at: int
    reason: str
    dispatch_id: str | None
    addressees: int | None


@dataclass(frozen=True, slots=True)
class Sent:
    """The router has accepted a document."""

    id: str
    dispatch_id: str
    addressees: int


@dataclass(frozen=True, slots=True)
class Rejected:
    """A document that cannot be sent as it is."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """How much of a document is up, why it waits, and until when (UTC milliseconds)."""

    id: str
    done: int
    reason: str
    retry_at: int = 0


@dataclass(frozen=True, slots=True)
class SentDocument:
    """A document as people see it; times are UTC milliseconds."""

    id: str
    name: str
    issuer: str
    notation: str
    subject: str
    urgency: int
    taken_at: int
    state: str
    state_at: int
    reason: str
    size: int
    done: int
    dispatch_id: str | None
    addressees: int | None
    secret: bool = False


@dataclass(frozen=True, slots=True)
class WaitingTotals:
    """How many documents wait to go up, and how many bytes of theirs."""

    documents: int
    bytes: int


@dataclass(frozen=True, slots=True)
class ForgottenDocuments:
    """How many documents were forgotten, and the contents of their files, which others may use."""

    documents: int
    contents: tuple[str, ...]


_COLUMNS = (
    "id",
    "name",
    "issuer",
    "notation",
    "subject",
    "urgency",
    "body",
    "taken_at",
    "state",
    "state_at",
    "reason",
    "size",
    "folded",
    "secret",
)
_FILE_COLUMNS = ("outgoing_pos", "position", "file_name", "sha256", "size")
# Written out, not bound: only so SQLite knows that the partial index on these rows fits.
_IS_WAITING: ColumnElement[bool] = text("outgoing.state = 'waiting'")  # type: ignore[assignment]
_HAS_ENDED: ColumnElement[bool] = text("outgoing.state <> 'waiting'")  # type: ignore[assignment]
LONGEST_PAUSE_MS = 600_000
"""The longest that a document waits between two tries to send it."""
_IS_DUE = is_over(outgoing.c.retry_at, now=bindparam("now"), longest=LONGEST_PAUSE_MS)
_IS_KEPT = exists().where(desk_letter.c.outgoing_pos == outgoing.c.pos).correlate(outgoing)
_WORK = outgoing.c.pos, outgoing.c.id, outgoing.c.name, outgoing.c.urgency, outgoing.c.size, outgoing.c.body
_READY = (
    select(*_WORK, _IS_KEPT)
    .where(_IS_WAITING, _IS_DUE, ~among(outgoing.c.id, "without"))
    .order_by(outgoing.c.urgency.desc(), outgoing.c.size, outgoing.c.pos)
    .limit(bindparam("limit"))
)
_NEXT_AT = select(func.min(outgoing.c.retry_at)).where(_IS_WAITING, outgoing.c.retry_at > bindparam("now"))
_ENDED = select(
    outgoing.c.id,
    outgoing.c.state,
    outgoing.c.state_at,
    outgoing.c.reason,
    outgoing.c.dispatch_id,
    outgoing.c.addressees,
).where(among(outgoing.c.id, "ids"))
_END = (
    update(outgoing)
    .where(outgoing.c.id == bindparam("b_id"), _IS_WAITING)
    .values(
        state=bindparam("b_state"),
        state_at=bindparam("b_now"),
        reason=bindparam("b_reason"),
        dispatch_id=bindparam("b_dispatch_id"),
        addressees=bindparam("b_addressees"),
    )
)
_NOTE = (
    update(outgoing)
    .where(outgoing.c.id == bindparam("b_id"), _IS_WAITING)
    .values(done=bindparam("b_done"), reason=bindparam("b_reason"), retry_at=bindparam("b_retry_at"))
)
_LIST = (
    select(*(outgoing.c[name] for name in SentDocument.__dataclass_fields__))
    .order_by(outgoing.c.pos.desc())
    .limit(bindparam("limit"))
)
_IS_BEING_MENDED = outgoing.c.id.in_(select(draft.c.mends))
_OLD = (
    select(outgoing.c.pos).where(_HAS_ENDED, outgoing.c.state_at < bindparam("before"), ~_IS_BEING_MENDED).limit(BATCH)
)


def take(conn: Connection, items: Sequence[TakenDocument]) -> list[None]:
    """Note documents that were put into the outbox; one that is known stays as it is."""
    now = now_ms()
    rows = [
        (
            item.id,
            item.name,
            item.issuer,
            item.notation,
            item.subject,
            item.urgency,
            item.body,
            now,
            (Stage.REJECTED if item.reason else Stage.WAITING).value,
            now,
            item.reason,
            sum(file.size for file in item.files),
            fold(f"{item.issuer} {item.notation} {item.subject}"),
            item.secret,
        )
        for item in items
    ]
    insert_rows(conn, outgoing, _COLUMNS, rows)
    positions = dict(
        conn.execute(
            select(outgoing.c.id, outgoing.c.pos).where(among(outgoing.c.id, "ids")),
            {"ids": as_list(item.id for item in items)},
        ).all()
    )
    files = [
        (positions[item.id], position, file.file_name, file.sha256, file.size)
        for item in items
        for position, file in enumerate(item.files)
    ]
    insert_rows(conn, outgoing_file, _FILE_COLUMNS, files)
    return [None] * len(items)


def ready(conn: Connection, *, limit: int, without: Sequence[str]) -> tuple[list[QueuedDocument], int | None]:
    """What waits and may be sent now, the most urgent first, then the smallest; and when the next may (UTC ms)."""
    values = {"now": now_ms(), "without": as_list(without), "limit": limit}
    found = [QueuedDocument(*row) for row in conn.execute(_READY, values)]
    return found, conn.scalar(_NEXT_AT, {"now": values["now"]})


def files_of(conn: Connection, pos: int) -> list[SendingFile]:
    """The files of a document."""
    rows = select(outgoing_file.c.file_name, outgoing_file.c.sha256, outgoing_file.c.size).where(
        outgoing_file.c.outgoing_pos == pos
    )
    return [SendingFile(*row) for row in conn.execute(rows.order_by(outgoing_file.c.position))]


def stages(conn: Connection, ids: Sequence[str]) -> dict[str, Ended]:
    """How far those documents are that are known, by id."""
    rows = conn.execute(_ENDED, {"ids": as_list(ids)})
    return {row[0]: Ended(Stage(row[1]), *row[2:]) for row in rows}


def accept(conn: Connection, items: Sequence[Sent]) -> list[None]:
    """Note that the router has accepted documents."""
    _end(conn, [_ending(item.id, Stage.ACCEPTED, "", item.dispatch_id, item.addressees) for item in items])
    return [None] * len(items)


def reject(conn: Connection, items: Sequence[Rejected]) -> list[None]:
    """Note that documents cannot be sent as they are."""
    _end(conn, [_ending(item.id, Stage.REJECTED, item.reason, None, None) for item in items])
    return [None] * len(items)


def note(conn: Connection, items: Sequence[UploadProgress]) -> list[None]:
    """Note how much of documents is up, and why they wait."""
    conn.execute(
        _NOTE,
        [
            {"b_id": item.id, "b_done": item.done, "b_reason": item.reason, "b_retry_at": item.retry_at}
            for item in items
        ],
    )
    return [None] * len(items)


def listed(conn: Connection, *, stages: Sequence[Stage], limit: int) -> list[SentDocument]:
    """Documents in these stages (none: in any), newest first."""
    query = _LIST.where(outgoing.c.state.in_([stage.value for stage in stages])) if stages else _LIST
    return [SentDocument(*row) for row in conn.execute(query, {"limit": limit})]


def count_waiting(conn: Connection, units: Collection[str] | None = None) -> WaitingTotals:
    """What waits to go up; of units, or of all."""
    total = func.coalesce(func.sum(outgoing.c.size - outgoing.c.done), 0)
    rows = select(func.count(), total).select_from(outgoing).where(_IS_WAITING)
    if units is not None:
        rows = rows.where(outgoing.c.issuer.in_(list(units)))
    return WaitingTotals(*conn.execute(rows).one())


def forget(conn: Connection, times: Sequence[int]) -> list[ForgottenDocuments]:
    """Forget up to a batch of documents per time that ended before it (UTC ms), but for what a draft puts right."""
    return [_forget(conn, before) for before in times]


def _forget(conn: Connection, before: int) -> ForgottenDocuments:
    found = conn.scalars(_OLD, {"before": before}).all()
    values = {"positions": as_list(found)}
    of_these = among(outgoing_file.c.outgoing_pos, "positions")
    names = conn.scalars(select(outgoing_file.c.sha256).where(of_these), values).all()
    for column in (outgoing_file.c.outgoing_pos, desk_letter.c.outgoing_pos, outgoing.c.pos):
        conn.execute(delete(column.table).where(among(column, "positions")), values)
    return ForgottenDocuments(len(found), tuple(names))


def _ending(
    document: str, stage: Stage, reason: str, dispatch_id: str | None, addressees: int | None
) -> dict[str, object]:
    return {
        "b_id": document,
        "b_state": stage.value,
        "b_now": now_ms(),
        "b_reason": reason,
        "b_dispatch_id": dispatch_id,
        "b_addressees": addressees,
    }


def _end(conn: Connection, rows: Sequence[dict[str, object]]) -> None:
    conn.execute(_END, list(rows))
