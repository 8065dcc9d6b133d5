"""Takes accepted submissions into the ledger: the dispatch and one delivery per addressee, in one transaction."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, insert, select

from router.errors import ConflictError, UnknownAttachmentError
from router.ledger.bulk import Row, insert_rows
from router.ledger.log import appending
from router.ledger.log.entries import DELIVERY_COLUMNS, DISPATCH_COLUMNS, EntryKind, entry_of
from router.ledger.models import delivery, dispatch, dispatch_attachment, dispatch_reference, unit_sequence
from router.ledger.models import unit as unit_table
from router.ledger.people import audit
from router.ledger.people.audit import Act, AuditEntry, By
from router.ledger.people.rights import Budget
from router.ledger.way import holders, owing, recalls, words
from router.rules.schedule import is_reachable
from router.storage.statements import chunks, insert_of
from schemas.attachment import PLAIN, Attachment, Forms, TravellingAttachment
from schemas.dispatch import Accepted, Kind, Submission, lane_of
from schemas.ids import new_id
from schemas.reasons import ReasonCode
from schemas.rights import UNBOUND, Amount, Rights
from schemas.states import Status
from schemas.text import fold
from schemas.unit import Unit

RECORD_POSITION = -1
"""Where the record of a letter stands among its attachments."""


@dataclass(frozen=True, slots=True)
class NewDispatch:
    """A validated submission, its addressees resolved and its body encoded."""

    id: str
    submission: Submission
    units: Sequence[Unit]
    account: str
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
    called_back: Sequence[str] = ()
    """Of a recall: the units whose copies it wants back, those that exist no more among them."""
    gone: frozenset[str] = frozenset()
    """Those of them."""
    rights: Rights = UNBOUND
    """What the account may send."""
    by: By | None = None
    """The person who sends it; None: a program does."""

    @property
    def amount(self) -> Amount:
        """How much it is, as it counts against the account's allowance."""
        return Amount.of([file.size for file in self.submission.attachments], len(self.units))


_DISPATCH = (
    "id",
    "issuer",
    "kind",
    "notation",
    "subject",
    "search",
    "urgency",
    "lane",
    "due_at",
    "accepted_at",
    "account",
    "idempotency_key",
    "submission_sha256",
    "submission",
    "body",
    "content_sha256",
    "traceparent",
    "total",
)
_LOGGED = [_DISPATCH.index(name) for name in DISPATCH_COLUMNS]
_DELIVERY = (
    *DELIVERY_COLUMNS,
    *("link", "urgency", "state", "state_at", "reason", "reason_code", "created_at", "next_due_at", "due_at", "paused"),
    *owing.COLUMNS,
)


@dataclass(frozen=True, slots=True)
class RepeatCheck:
    """Whether a submission came before: whose it is, its key, and what it says as canonical JSON with its SHA-256."""

    account: str
    idempotency_key: str
    submission: Submission
    sha256: str


@dataclass(frozen=True, slots=True)
class _Known:
    """A dispatch that was accepted under a key."""

    id: str
    submission_sha256: str
    submission: bytes
    total: int


@dataclass(slots=True)
class _Rows:
    files: list[dict[str, Any]] = field(default_factory=list)
    references: list[dict[str, Any]] = field(default_factory=list)
    deliveries: list[Row] = field(default_factory=list)


_KNOWN = select(
    dispatch.c.account,
    dispatch.c.idempotency_key,
    dispatch.c.id,
    dispatch.c.submission_sha256,
    dispatch.c.submission,
    dispatch.c.total,
).where(
    dispatch.c.account.in_(bindparam("b_accounts", expanding=True)),
    dispatch.c.idempotency_key.in_(bindparam("b_keys", expanding=True)),
)
_PAUSED = select(unit_table.c.code).where(unit_table.c.paused_at.is_not(None))


def accept(connection: Connection, items: Sequence[NewDispatch]) -> list[Accepted | Exception]:
    """Insert what is new; a submission that came before gets the id it has, with other content a conflict.

    A recall takes effect in the same transaction. A key that another router has just taken is known as well: the row of
    the dispatch is what decides whose it is, and its insertion waits for that router's commit.
    """
    questions = [RepeatCheck(it.account, it.idempotency_key, it.submission, it.submission_sha256) for it in items]
    known = _known(connection, questions)
    fresh: dict[str, NewDispatch] = {}
    answers: dict[int, Accepted | Exception] = {}
    own: set[tuple[str, str]] = set()
    budget = Budget(connection, items[0].accepted_at if items else 0)
    for place, (item, question) in enumerate(zip(items, questions, strict=True)):
        key = (item.account, item.idempotency_key)
        if key in own or _of(question, known) is not None:
            continue  # answered when all that is new is in the ledger
        refusal = (
            recalls.refusal(connection, item.submission, item.called_back, item.rights)
            or _not_nameable(connection, item)
            or budget.refusal(item.account, item.rights.hourly, item.amount)
        )
        if refusal is not None:
            answers[place] = refusal
            continue
        own.add(key)
        fresh[item.id] = item
    taken = _insert(connection, list(fresh.values())) if fresh else frozenset()
    if taken:
        budget.write()
    if len(answers) + len(taken) < len(items):
        known = _known(connection, questions)
    for place, (item, question) in enumerate(zip(items, questions, strict=True)):
        if item.id in taken:
            answers[place] = Accepted(id=item.id, addressees=len(item.units), duplicate=False)
        elif place not in answers and (found := _of(question, known)) is not None:
            answers[place] = _answer_again(question, found)
    return [answers[place] for place in range(len(items))]


def _not_nameable(connection: Connection, item: NewDispatch) -> UnknownAttachmentError | None:
    """Why the attachments may not be named any more: the delivery that gave the right was recalled since."""
    files = item.submission.attachments
    if not files:
        return None
    allowed = holders.nameable(connection, item.account, item.submission.issuer, {file.sha256 for file in files})
    problems = [
        holders.not_brought(index, file, item.account) for index, file in enumerate(files) if file.sha256 not in allowed
    ]
    if not problems:
        return None
    return UnknownAttachmentError("; ".join(problem.problem for problem in problems), problems=problems)


def told_before(connection: Connection, questions: Sequence[RepeatCheck]) -> list[Accepted | Exception | None]:
    """What submissions that came before were answered; a conflict when the key named another; None: it is new."""
    known = _known(connection, questions)
    found = [(item, _of(item, known)) for item in questions]
    return [None if before is None else _answer_again(item, before) for item, before in found]


def _known(connection: Connection, questions: Sequence[RepeatCheck]) -> dict[tuple[str, str], _Known]:
    names = {name for item in questions for name in (item.account, item.submission.issuer)}
    found: dict[tuple[str, str], _Known] = {}
    for keys in chunks(sorted({item.idempotency_key for item in questions})):
        for row in connection.execute(_KNOWN, {"b_accounts": sorted(names), "b_keys": keys}):
            found[row[0], row[1]] = _Known(row[2], row[3], bytes(row[4]), row[5])
    return found


def _of(item: RepeatCheck, known: Mapping[tuple[str, str], _Known]) -> _Known | None:
    """The dispatch that a key names: of this account, or of the issuer when it is of the time before accounts."""
    by_account = known.get((item.account, item.idempotency_key))
    return by_account or known.get((item.submission.issuer, item.idempotency_key))


def _answer_again(item: RepeatCheck, known: _Known) -> Accepted | Exception:
    if not _is_same(item, known):
        return ConflictError(f"the key {item.idempotency_key!r} of {item.account} names dispatch {known.id}")
    return Accepted(id=known.id, addressees=known.total, duplicate=True)


def _is_same(item: RepeatCheck, known: _Known) -> bool:
    """Whether it says what was accepted; an older program wrote the same submission with fewer fields."""
    if known.submission_sha256 == item.sha256:
        return True
    try:
        return Submission.model_validate_json(known.submission) == item.submission
    except ValueError:
        return False


def _insert(connection: Connection, items: Sequence[NewDispatch]) -> frozenset[str]:
    """Insert dispatches with all that belongs to them; the ids of those whose key nobody had."""
    in_order = sorted(items, key=lambda item: (item.account, item.idempotency_key))  # so two routers never deadlock
    rows = [_dispatch_row(item) for item in in_order]
    taken = frozenset(item.id for item in items)
    if insert_rows(connection, dispatch, _DISPATCH, rows, key="account, idempotency_key") < len(rows):
        taken = frozenset(connection.scalars(select(dispatch.c.id).where(dispatch.c.id.in_(taken))))
        items = [item for item in items if item.id in taken]
    if items:
        _insert_parts(connection, items)
    return taken


def _insert_parts(connection: Connection, items: Sequence[NewDispatch]) -> None:
    sequences = reserve_sequences(connection, Counter(unit.code for item in items for unit in item.units))
    rows = _Rows()
    paused = paused_units(connection)
    for item in items:
        _collect(rows, item, sequences, paused)
    _insert_beside(connection, rows)
    words.keep_letters(connection, items)
    audit.record(connection, *(_act_of(item, item.by) for item in items if item.by is not None))
    insert_rows(connection, delivery, _DELIVERY, rows.deliveries)
    _log(connection, items)
    log_deliveries(connection, rows.deliveries)
    for item in items:
        if item.submission.kind is Kind.RECALL:
            recalls.carry_out(
                connection,
                item.id,
                item.submission.refers_to,
                item.accepted_at,
                called_back=item.called_back,
                gone=item.gone,
            )


def _act_of(item: NewDispatch, by: By) -> AuditEntry:
    letter = item.submission
    act = Act.DISPATCH_RECALLED if letter.kind is Kind.RECALL else Act.DISPATCH_SENT
    return AuditEntry(by.now_ms, by.who, act, item.id, letter.issuer, by.why, by.address, detail=letter.notation)


def enter(connection: Connection, item: NewDispatch) -> bool:
    """Insert a dispatch that was accepted before, without deliveries; False: it is there already."""
    if not insert_rows(connection, dispatch, _DISPATCH, [_dispatch_row(item)], key="id"):
        return False
    rows = _Rows()
    _collect(rows, item, {}, frozenset())
    _insert_beside(connection, rows)
    _log(connection, [item])
    words.keep_letters(connection, [item])
    return True


def _log(connection: Connection, items: Sequence[NewDispatch]) -> None:
    for item in items:
        row = _dispatch_row(item)
        appending.note(connection, entry_of(EntryKind.DISPATCH, [tuple(row[place] for place in _LOGGED)]))


def log_deliveries(connection: Connection, rows: Iterable[Row]) -> None:
    """Have the log tell of new deliveries, those of a dispatch together; rows begin with what it tells of them."""
    told: dict[str, list[Row]] = {}
    for row in rows:
        told.setdefault(row[1], []).append(row[: len(DELIVERY_COLUMNS)])
    for some in told.values():
        appending.note(connection, entry_of(EntryKind.DELIVERIES, some))


def reserve_sequences(connection: Connection, wanted: Counter[str]) -> dict[str, int]:
    """For each unit the next free sequence number; units in order, so that two routers never wait for each other."""
    statement = insert_of(connection, unit_sequence)
    statement = statement.on_conflict_do_update(
        index_elements=["unit"], set_={"last": unit_sequence.c.last + statement.excluded.last}
    ).returning(unit_sequence.c.unit, unit_sequence.c.last)
    rows = connection.execute(statement, [{"unit": code, "last": wanted[code]} for code in sorted(wanted)])
    return {code: last - wanted[code] + 1 for code, last in rows}


def _insert_beside(connection: Connection, rows: _Rows) -> None:
    """Insert what dispatches name: their files and the dispatches that they refer to."""
    for table, values in ((dispatch_attachment, rows.files), (dispatch_reference, rows.references)):
        if values:
            connection.execute(insert(table), values)
    holders.mark_named(connection, (row["sha256"] for row in rows.files))


def paused_units(connection: Connection) -> frozenset[str]:
    """The codes of the units to which nothing new is sent. Asked after the sequences: a pause waits for their locks."""
    return frozenset(connection.scalars(_PAUSED))


def _collect(rows: _Rows, item: NewDispatch, sequences: dict[str, int], paused: frozenset[str]) -> None:
    for position, file in enumerate(item.submission.attachments):
        rows.files.append(_file_row(item.id, position, file, item.forms.get(file.sha256, PLAIN)))
    if item.record is not None:
        rows.files.append(_file_row(item.id, RECORD_POSITION, item.record, item.record.forms))
    for reference in dict.fromkeys(item.submission.refers_to):
        rows.references.append({"dispatch_id": item.id, "refers_to": reference})
    owed = owing.by_office().of(Status.PENDING, item.accepted_at, int(item.submission.urgency), _due(item))
    for unit in item.units:
        row = _delivery_row(item, unit, sequences[unit.code], paused=unit.code in paused)
        rows.deliveries.append((*row, *owed))
        sequences[unit.code] += 1


def _dispatch_row(item: NewDispatch) -> Row:
    letter = item.submission
    return (
        item.id,
        letter.issuer,
        letter.kind.value,
        letter.notation,
        letter.subject,
        fold(f"{letter.notation} {letter.subject}"),
        int(letter.urgency),
        lane_of(letter.urgency).value,
        _due(item),
        item.accepted_at,
        item.account,
        item.idempotency_key,
        item.submission_sha256,
        item.submission_json,
        item.body,
        item.content_sha256,
        item.traceparent,
        len(item.units),
    )


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
    reason = "" if reachable else ReasonCode.NO_LINE.value
    return (
        new_id(),
        item.id,
        unit.code,
        seq,
        unit.link.value,
        int(item.submission.urgency),
        Status.PENDING.value,
        item.accepted_at,
        reason,
        reason,
        item.accepted_at,
        item.accepted_at if reachable and not paused else None,
        _due(item),
        int(paused),
    )


def _due(item: NewDispatch) -> int | None:
    due = item.submission.due
    return None if due is None else round(due.timestamp() * 1000)
