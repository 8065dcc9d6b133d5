"""Makes up a spool of a busy commune: documents of half a year in every state, their steps and receipts, and the books.

Documents come in and are entered by the project's own functions; what became of them since is written in bulk.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, insert, update
from sqlalchemy.sql.expression import bindparam

from consumers.spool import Spool, books, gaps
from consumers.spool.book_entries import BookKey, EntryAuthor
from consumers.spool.handling import StepDetail, StepKind, TaskPart
from consumers.spool.journal import JournalAct
from consumers.spool.models import desk_letter, inbox, journal, letter, outgoing, receipt, step, task
from consumers.spool.taking import Arriving, GapPauses, take
from consumers.taking.descriptors import read_letter
from schemas.descriptor import Descriptor, encode
from schemas.dispatch import Secrecy, Submission, Urgency
from schemas.ids import new_id
from schemas.register import BookKind, RegisterFields
from schemas.stages import Stage
from schemas.states import Status
from schemas.text import fold
from schemas.zone import zone
from support.deliveries import TRACE, UNIT, inside
from support.desks import NAMES, let_in

T = TypeVar("T")
OTHER_UNITS = ("LCA.02.06", "LCA.02.07")
ISSUERS = [f"LCA.{part}" for part in ("VP", "BTC", "BTG", "BDV", "UBKT", "BNC")] + [
    f"LCA.02.{n:02}" for n in range(10, 70)
]
TYPES = ("công văn", "thông báo", "báo cáo", "kế hoạch", "giấy mời", "quyết định", "chỉ thị", "hướng dẫn")
MATTERS = (
    "phòng, chống rét cho đàn vật nuôi",
    "ứng phó mưa lũ, sạt lở đất",
    "triển khai Nghị quyết Đại hội",
    "rà soát hộ nghèo, hộ cận nghèo",
    "tổ chức Tết trồng cây",
    "chuyển đổi số trong cơ quan Đảng",
    "kiểm tra, giám sát quý",
    "đại hội chi bộ trực thuộc",
)
_DAY_MS = 86_400_000
_HALF_A_YEAR_MS = 180 * _DAY_MS
_BATCH = 500
_SENT_EACH = 10
"""The unit sends one document where it gets so many."""


@dataclass(frozen=True, slots=True)
class SpoolSize:
    """How much there is."""

    documents: int
    entries: int


@dataclass(frozen=True, slots=True)
class _Told:
    """What became of a document: when it came (UTC ms), what it is now, since when."""

    pos: int
    taken_at: int
    state: Status
    state_at: int


def fill(spool: Spool, size: SpoolSize, seed: int, now: int) -> dict[str, int]:
    """Fill an empty spool; how many rows there are of what.

    Args:
        spool: an empty one.
        size: how much.
        seed: the same makes the same documents.
        now: the present, UTC milliseconds.
    """
    chance = random.Random(seed)
    let_in(spool, (UNIT, *OTHER_UNITS))
    sequences: Counter[str] = Counter()
    ids = [_take(spool, chance, numbers, sequences) for numbers in _parts(range(1, size.documents + 1))]
    flat = [one for found in ids for one in found]
    told = list(_told(size, chance, now))
    entered = [item for item in told if item.state in {Status.REGISTERED, Status.ASSIGNED, Status.PROCESSING}]
    entered += [item for item in told if item.state is Status.COMPLETED][-(size.entries - len(entered)) :]
    entered.sort(key=lambda item: item.pos)
    for part in _parts(entered):
        with spool.writing() as conn:
            for item in part:
                _enter(conn, chance, item, flat[item.pos - 1])
    with spool.writing() as conn:
        return _write_what_became(conn, chance, told, {item.pos for item in entered})


def _parts(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]


def _take(spool: Spool, chance: random.Random, numbers: Sequence[int], sequences: Counter[str]) -> list[str]:
    arriving = [_arriving(chance, number, sequences) for number in numbers]
    with spool.writing() as conn:
        take(conn, [(arriving, GapPauses(ask_after_ms=60_000))])
    return [item.delivery_id for item in arriving]


def _arriving(chance: random.Random, number: int, sequences: Counter[str]) -> Arriving:
    kind, issuer = chance.choice(TYPES), chance.choice(ISSUERS)
    secret = chance.random() < 0.02
    descriptor = Descriptor(
        id=new_id(),
        number=number,
        notation=f"{number}-{kind[:1].upper()}V/TU",
        type=kind,
        subject=f"Về việc {chance.choice(MATTERS)} {chance.choice(('năm', 'quý', 'tháng'))} {number % 12 + 1}",
        issuer=issuer,
        signer="Trần Văn A",
        place="Lào Cai",
        issued_on=datetime(2026, 1 + number % 12, 1 + number % 28, tzinfo=zone()).date(),
        urgency=chance.choices(list(Urgency)[:4], (90, 6, 3, 1))[0],
        secrecy=Secrecy.CONFIDENTIAL if secret else Secrecy.NONE,
        attachments=(inside("Văn bản.txt", b"a" * chance.randint(100, 1200)),),
    )
    at = UNIT if number % 10 else chance.choice(OTHER_UNITS)
    sequences[at] += 2 if number % 2000 == 0 else 1  # one number in 2,000 is missing
    return Arriving(new_id(), at, sequences[at], read_letter(encode(descriptor), TRACE), complete=True)


def _told(size: SpoolSize, chance: random.Random, now: int) -> Iterator[_Told]:
    """The newest are on their way or new, some before them in work, all others have ended."""
    open_ones = min(size.entries // 10, 1000)
    for pos in range(1, size.documents + 1):
        age = size.documents - pos
        taken_at = now - round(age / size.documents * _HALF_A_YEAR_MS) - chance.randint(0, 3_600_000)
        if age < open_ones // 20:
            state = Status.TAKEN
        elif age < open_ones // 2:
            state = Status.ARRIVED
        elif age < open_ones * 2:
            state = chance.choice((Status.REGISTERED, Status.ASSIGNED, Status.PROCESSING))
        else:
            state = chance.choices((Status.COMPLETED, Status.REFUSED, Status.RECALLED), (96, 3, 1))[0]
        yield _Told(pos, taken_at, state, min(taken_at + chance.randint(0, 3 * _DAY_MS), now))


def _enter(conn: Connection, chance: random.Random, item: _Told, delivery_id: str) -> None:
    row = (
        conn.execute(
            inbox.join(letter, letter.c.pos == inbox.c.letter_pos).select().where(inbox.c.delivery_id == delivery_id)
        )
        .mappings()
        .one()
    )
    here = datetime.fromtimestamp(item.taken_at / 1000, zone())
    fields = RegisterFields(
        day=here.date(),
        author=f"Cơ quan {row[letter.c.issuer]}",
        notation=row[letter.c.notation],
        type=row[letter.c.type],
        subject=row[letter.c.subject],
        urgency=row[letter.c.urgency],
        secrecy=Secrecy.CONFIDENTIAL if row[inbox.c.secret] else Secrecy.NONE,
        recipients=chance.choice(("Văn phòng", "Ban Tuyên giáo", "Công an xã")),
        due=here.date() + timedelta(days=15),
    )
    key = BookKey(row[inbox.c.unit], BookKind.INCOMING, here.year, "Mật" if row[inbox.c.secret] else "")
    books.enter(conn, key, fields, EntryAuthor("Nguyễn Thị Hoa", item.taken_at, "Văn phòng"), delivery_id=delivery_id)


def _write_what_became(conn: Connection, chance: random.Random, told: list[_Told], entered: set[int]) -> dict[str, int]:
    values: dict[str, Any] = {
        "taken_at": bindparam("b_taken"),
        "state": bindparam("b_state"),
        "state_at": bindparam("b_at"),
    }
    values["registered_at"] = bindparam("b_registered")
    rows = [
        {
            "b_pos": item.pos,
            "b_taken": item.taken_at,
            "b_state": item.state.value,
            "b_at": item.state_at,
            "b_registered": item.taken_at + 1_800_000 if item.pos in entered else None,
        }
        for item in told
    ]
    conn.execute(update(inbox).where(inbox.c.pos == bindparam("b_pos")).values(values), rows)
    steps = [row for item in told if item.pos in entered for row in _steps(chance, item)]
    conn.execute(insert(step), steps)
    tasks = [row for item in told if item.pos in entered for row in _tasks(chance, item)]
    conn.execute(insert(task), tasks)
    receipts = [row for item in told for row in _receipts(item, told=item.pos in entered)]
    conn.execute(update(receipt).values(sent_at=1))
    conn.execute(insert(receipt), receipts)
    acts = [_act(row) for row in steps]
    conn.execute(insert(journal), acts)
    sent = [_sent(chance, item.taken_at, number) for number, item in enumerate(told[::_SENT_EACH], 1)]
    conn.execute(insert(outgoing), [row for row, _ in sent])
    conn.execute(insert(desk_letter), [said for _, said in sent])
    missing = gaps.count(conn)
    return {
        "documents": len(told),
        "documents sent": len(sent),
        "entries": len(entered),
        "steps": len(steps),
        "tasks": len(tasks),
        "receipts": len(receipts) + len(told),
        "journal": len(acts),
        "missing numbers": missing,
    }


def _sent(chance: random.Random, at: int, pos: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A document that the unit has sent, and what its desk knows of it."""
    subject = f"Báo cáo về {chance.choice(MATTERS)} {pos}"
    letter_ = Submission(notation=f"{pos}-BC/ĐU", subject=subject, issuer=UNIT, addressees=("LCA.02",))
    row = {
        "pos": pos,
        "id": new_id(),
        "name": subject,
        "issuer": UNIT,
        "notation": letter_.notation,
        "subject": subject,
        "body": letter_.model_dump_json(exclude_defaults=True).encode(),
        "taken_at": at,
        "state": Stage.ACCEPTED.value,
        "state_at": at + 60_000,
        "dispatch_id": new_id(),
        "addressees": 1,
        "folded": fold(f"{UNIT} {letter_.notation} {subject}"),
    }
    full_name, _, department, _ = NAMES["hoa"]
    return row, {"outgoing_pos": pos, "person": "hoa", "full_name": full_name, "department": department}


_COURSE = (
    (StepKind.REGISTERED, {Status.REGISTERED, Status.ASSIGNED, Status.PROCESSING, Status.COMPLETED}),
    (StepKind.SUBMITTED, {Status.REGISTERED, Status.ASSIGNED, Status.PROCESSING, Status.COMPLETED}),
    (StepKind.DIRECTED, {Status.ASSIGNED, Status.PROCESSING, Status.COMPLETED}),
    (StepKind.PROCESSED, {Status.PROCESSING, Status.COMPLETED}),
    (StepKind.COMPLETED, {Status.COMPLETED}),
)
_LOGINS = ("hoa", "nam", "lan")


def _steps(chance: random.Random, item: _Told) -> Iterator[dict[str, Any]]:
    for index, (kind, states) in enumerate(_COURSE):
        if item.state not in states:
            continue
        detail: dict[str, Any] = {"words": "Đã xem"}
        if kind is StepKind.DIRECTED:
            lead = chance.choice(("Lê Thị Lan", "Văn phòng", "Công an xã"))
            detail = {"words": "Triển khai", "lead": lead, "until": "2026-12-05"}
        login = chance.choice(_LOGINS)
        yield {
            "inbox_pos": item.pos,
            "kind": kind.value,
            "at": min(item.taken_at + (index + 1) * 1_800_000, item.state_at),
            "person": login,
            "full_name": NAMES[login][0],
            "detail": StepDetail.model_validate(detail).model_dump_json(exclude_defaults=True),
        }


def _tasks(chance: random.Random, item: _Told) -> Iterator[dict[str, Any]]:
    part = TaskPart.DIRECT if item.state is Status.REGISTERED else TaskPart.LEAD
    ended = item.state_at if item.state is Status.COMPLETED else None
    until = item.taken_at + 10 * _DAY_MS
    row = {"inbox_pos": item.pos, "part": part.value, "since": item.taken_at, "until": until, "ended_at": ended}
    yield row | {"person": chance.choice(_LOGINS)}


def _receipts(item: _Told, *, told: bool) -> Iterator[dict[str, Any]]:
    at = datetime.fromtimestamp(item.state_at / 1000, zone()).isoformat(timespec="milliseconds")
    row = {"inbox_pos": item.pos, "at": at, "express": False, "gateway_version": "0.2.0", "sent_at": item.state_at}
    statuses = [Status.REGISTERED] if told else []
    statuses += [] if item.state in {Status.TAKEN, Status.ARRIVED, Status.REGISTERED} else [item.state]
    for status in statuses:
        yield row | {"id": new_id(), "seq": 1_000_000 + item.pos, "status": status.value, "person": "Nguyễn Thị Hoa"}


def _act(row: dict[str, Any]) -> dict[str, Any]:
    act = JournalAct(row["kind"]).value
    return {"at": row["at"], "person": row["person"], "act": act, "unit": UNIT, "subject": "123-CV/TU", "detail": ""}
