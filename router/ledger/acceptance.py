"""Takes accepted submissions into the ledger: the dispatch and one delivery per addressee, in one transaction."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from router.errors import ConflictError
from router.ledger import recalls, words
from router.ledger.bulk import Row, insert_rows
from router.ledger.dialect import insert_of
from router.ledger.models import delivery, dispatch, dispatch_attachment, dispatch_reference, unit_sequence
from router.ledger.models import unit as unit_table
from router.schedule import is_reachable
from schemas.attachment import PLAIN, Attachment, Forms, TravellingAttachment
from schemas.dispatch import Accepted, Kind, Submission, lane_of
from schemas.ids import new_id
from schemas.states import Status
from schemas.text import fold
from schemas.unit import Unit

NO_LINE = "no_line"
RECORD_POSITION = -1


@dataclass(frozen=True, slots=True)
class NewDispatch:
    """A validated submission, its addressees resolved and its body encoded."""

    id: str
    submission: Submission
    units: Sequence[Unit]
    idempotency_key: str
    submission_json: bytes
    submission_sha256: str
    body: bytes
    content_sha256: str
    record: TravellingAttachment | None
    traceparent: str
    accepted_at: int
    forms: Mapping[str, Forms] = field(default_factory=dict)
    """In which the attachments may come, by SHA-256."""


_DELIVERY = (
    "id",
    "dispatch_id",
    "unit",
    "seq",
    "link",
    "urgency",
    "state",
    "state_at",
    "reason",
    "created_at",
    "next_due_at",
    "due_at",
    "paused",
)


@dataclass(slots=True)
class _Rows:
    dispatches: list[dict[str, Any]] = field(default_factory=list)
    files: list[dict[str, Any]] = field(default_factory=list)
    references: list[dict[str, Any]] = field(default_factory=list)
    deliveries: list[Row] = field(default_factory=list)


_KNOWN = select(dispatch.c.idempotency_key, dispatch.c.submission_sha256, dispatch.c.id, dispatch.c.total).where(
    dispatch.c.issuer == bindparam("b_issuer"),
    dispatch.c.idempotency_key.in_(bindparam("b_keys", expanding=True)),
)
_PAUSED = select(unit_table.c.code).where(unit_table.c.paused_at.is_not(None))


def accept(connection: Connection, items: Sequence[NewDispatch]) -> list[Accepted | Exception]:
    """Insert what is new; a submission that came before gets the id it has, with other content a conflict.

    A recall takes effect in the same transaction.
    """
    known = _known(connection, items)
    fresh: list[NewDispatch] = []
    answers: list[Accepted | Exception] = []
    for item in items:
        key = (item.submission.issuer, item.idempotency_key)
        if key in known:
            answers.append(_answer_again(item, known[key]))
            continue
        refusal = recalls.refusal(connection, item.submission, item.units)
        if refusal is not None:
            answers.append(refusal)
            continue
        known[key] = (item.submission_sha256, item.id, len(item.units))
        fresh.append(item)
        answers.append(Accepted(id=item.id, addressees=len(item.units), duplicate=False))
    if fresh:
        _insert(connection, fresh)
    return answers


def _known(connection: Connection, items: Sequence[NewDispatch]) -> dict[tuple[str, str], tuple[str, str, int]]:
    by_issuer: dict[str, list[str]] = {}
    for item in items:
        by_issuer.setdefault(item.submission.issuer, []).append(item.idempotency_key)
    return {
        (issuer, row[0]): (row[1], row[2], row[3])
        for issuer, keys in by_issuer.items()
        for row in connection.execute(_KNOWN, {"b_issuer": issuer, "b_keys": keys})
    }


def _answer_again(item: NewDispatch, known: tuple[str, str, int]) -> Accepted | Exception:
    sha256, dispatch_id, total = known
    if sha256 != item.submission_sha256:
        return ConflictError(
            f"the key {item.idempotency_key!r} of {item.submission.issuer} names dispatch {dispatch_id}"
        )
    return Accepted(id=dispatch_id, addressees=total, duplicate=True)


def _insert(connection: Connection, items: Sequence[NewDispatch]) -> None:
    sequences = _reserve_sequences(connection, Counter(unit.code for item in items for unit in item.units))
    rows = _Rows()
    paused = paused_units(connection)
    for item in items:
        _collect(rows, item, sequences, paused)
    for table, values in (
        (dispatch, rows.dispatches),
        (dispatch_attachment, rows.files),
        (dispatch_reference, rows.references),
    ):
        if values:
            connection.execute(insert(table), values)
    words.keep_letters(connection, items)
    insert_rows(connection, delivery, _DELIVERY, rows.deliveries)
    for item in items:
        if item.submission.kind is Kind.RECALL:
            recalls.carry_out(connection, item.id, item.submission.refers_to, item.accepted_at)


def _reserve_sequences(connection: Connection, wanted: Counter[str]) -> dict[str, int]:
    """For each unit the next free sequence number; units in order, so that two routers never wait for each other."""
    statement = insert_of(connection, unit_sequence)
    statement = statement.on_conflict_do_update(
        index_elements=["unit"], set_={"last": unit_sequence.c.last + statement.excluded.last}
    ).returning(unit_sequence.c.unit, unit_sequence.c.last)
    rows = connection.execute(statement, [{"unit": code, "last": wanted[code]} for code in sorted(wanted)])
    return {code: last - wanted[code] + 1 for code, last in rows}


def paused_units(connection: Connection) -> frozenset[str]:
    """The codes of the units to which nothing new is sent. Asked after the sequences: a pause waits for their locks."""
    return frozenset(connection.scalars(_PAUSED))


def _collect(rows: _Rows, item: NewDispatch, sequences: dict[str, int], paused: frozenset[str]) -> None:
    rows.dispatches.append(_dispatch_row(item))
    for position, file in enumerate(item.submission.attachments):
        rows.files.append(_file_row(item.id, position, file, item.forms.get(file.sha256, PLAIN)))
    if item.record is not None:
        rows.files.append(_file_row(item.id, RECORD_POSITION, item.record, item.record.forms))
    for reference in dict.fromkeys(item.submission.refers_to):
        rows.references.append({"dispatch_id": item.id, "refers_to": reference})
    for unit in item.units:
        rows.deliveries.append(_delivery_row(item, unit, sequences[unit.code], paused=unit.code in paused))
        sequences[unit.code] += 1


def _dispatch_row(item: NewDispatch) -> dict[str, Any]:
    letter = item.submission
    return {
        "id": item.id,
        "issuer": letter.issuer,
        "kind": letter.kind.value,
        "notation": letter.notation,
        "subject": letter.subject,
        "search": fold(f"{letter.notation} {letter.subject}"),
        "urgency": int(letter.urgency),
        "lane": lane_of(letter.urgency).value,
        "due_at": _due(item),
        "accepted_at": item.accepted_at,
        "idempotency_key": item.idempotency_key,
        "submission_sha256": item.submission_sha256,
        "submission": item.submission_json,
        "body": item.body,
        "content_sha256": item.content_sha256,
        "traceparent": item.traceparent,
        "total": len(item.units),
    }


def _file_row(dispatch_id: str, position: int, file: Attachment, forms: Forms) -> dict[str, Any]:
    return {
        "dispatch_id": dispatch_id,
        "position": position,
        "sha256": file.sha256,
        "name": file.name,
        "media_type": file.media_type,
        "size": file.size,
        **forms.model_dump(),
    }


def _delivery_row(item: NewDispatch, unit: Unit, seq: int, *, paused: bool) -> Row:
    reachable = is_reachable(unit.link)
    return (
        new_id(),
        item.id,
        unit.code,
        seq,
        unit.link.value,
        int(item.submission.urgency),
        Status.PENDING.value,
        item.accepted_at,
        "" if reachable else NO_LINE,
        item.accepted_at,
        item.accepted_at if reachable and not paused else None,
        _due(item),
        int(paused),
    )


def _due(item: NewDispatch) -> int | None:
    due = item.submission.due
    return None if due is None else round(due.timestamp() * 1000)
