"""A country's ledger made up: units, dispatches, deliveries and receipts as three months of work leave them.

The same seed gives the same rows, moved to the present. Every delivery's state is what its receipts add up to, numbers
of a unit's deliveries run on without a gap, and places in the log rise with time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from random import Random
from typing import Any

from router.ledger.reasons import code_told
from schemas.clock import iso
from schemas.dispatch import Submission, lane_of
from schemas.reasons import ReasonCode
from schemas.states import Status
from schemas.text import fold
from schemas.unit import Link

ROOT, PROVINCES, COMMUNES = "VN", 34, 98
GREAT = 5000
"""Addressees of the largest dispatch."""
_SECOND, _HOUR, _DAY = 1000, 3_600_000, 86_400_000
_DAYS = 90
_SUBJECTS = (
    *("Chủ động ứng phó mưa lũ", "Báo cáo kết quả kiểm tra quý", "Triển khai nghị quyết", "Họp giao ban"),
    *("Hướng dẫn tuyên truyền", "Phân công cán bộ giúp cơ sở", "Rà soát quy hoạch", "Kế hoạch đào tạo"),
)
_REASONS = ("HTTP 507: the disk of the unit's system is full", "HTTP 503: the unit's system does not answer")
_S = Status
_DONE = (_S.QUEUED, _S.TAKEN, _S.ARRIVED, _S.REGISTERED)
_FATES: tuple[tuple[tuple[Status, ...], float], ...] = (
    (_DONE, 0.48),
    ((*_DONE, _S.COMPLETED), 0.42),
    (_DONE[:3], 0.08),
    ((*_DONE[:3], _S.REFUSED), 0.01),
    ((*_DONE[:2], _S.PARKED), 0.007),
    ((_S.QUEUED, _S.EXPIRED), 0.003),
)
_PAUSES = {_S.QUEUED: _SECOND, _S.TAKEN: 60 * _SECOND, _S.ARRIVED: 600 * _SECOND}


@dataclass(frozen=True, slots=True)
class Size:
    """How much there is to be."""

    units: int
    receipts: int


@dataclass(slots=True)
class Nation:
    """Rows by table, each in the order of its columns; ``great`` is the dispatch with the most addressees."""

    units: list[dict[str, Any]] = field(default_factory=list)
    dispatches: list[dict[str, Any]] = field(default_factory=list)
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    told: list[tuple[int, int, Status]] = field(default_factory=list)
    """(recorded at, index of the delivery, status), by time."""
    sequences: dict[str, int] = field(default_factory=dict)
    great: str = ""


def make(size: Size, seed: int, now_ms: int) -> Nation:
    """A country of so many units and at least so many receipts, a few more at most."""
    maker = _Maker(Random(seed), now_ms)
    maker.found(size.units)
    maker.write(size.receipts)
    return maker.nation


def receipts(nation: Nation, seed: int) -> Iterator[dict[str, Any]]:
    """The rows of the log, oldest first."""
    random = Random(seed)
    numbers: dict[str, int] = {}
    for pos, (at, index, status) in enumerate(nation.told, 1):
        row = nation.deliveries[index]
        by_unit = status not in {Status.QUEUED, Status.EXPIRED}
        if by_unit:
            numbers[row["unit"]] = numbers.get(row["unit"], 0) + 1
        yield {
            "pos": pos,
            "id": _id(at, random),
            "delivery_id": row["id"],
            "status": status.value,
            "effect": "advance",
            "recorded_at": at,
            "at": iso(at),
            "seq": numbers[row["unit"]] if by_unit else None,
            "reason": row["reason"] if status is Status.PARKED else "",
            "person": "Văn thư" if status in {Status.REGISTERED, Status.COMPLETED} else "",
            "register_number": str(pos % 900 + 1) if status is Status.REGISTERED else "",
            "gateway_version": "0.1.0" if by_unit else "",
        }


class _Maker:
    def __init__(self, random: Random, now_ms: int) -> None:
        self._random, self._now = random, now_ms
        self._codes: list[str] = []
        self._links: dict[str, str] = {}
        self.nation = Nation()

    def found(self, count: int) -> None:
        """The tree: provinces, communes, and offices below these in turn until there are enough."""
        provinces = [f"{ROOT}.{number:02}" for number in range(1, PROVINCES + 1)]
        communes = [f"{code}.{number:03}" for number in range(1, COMMUNES + 1) for code in provinces]
        upper = [ROOT, *provinces, *communes][:count]
        places = [code for code in upper if code.count(".") == 2]
        offices = [
            f"{places[number % len(places)]}.{number // len(places) + 1:02}" for number in range(count - len(upper))
        ]
        kinds = ("country", "province", "commune", "office")
        for code in (*upper, *offices):
            self._unit(code, kinds[code.count(".")])

    def _unit(self, code: str, kind: str) -> None:
        share = self._random.random()
        link = Link.LAN if kind != "office" or share < 0.6 else Link.DIALUP if share < 0.99 else Link.NONE
        name = f"{'Xã' if kind == 'commune' else 'Đơn vị'} {self._random.choice(_SUBJECTS).split()[0]} {code}"
        self._codes.append(code)
        self._links[code] = link.value
        self.nation.units.append(
            {
                "code": code,
                "parent": code.rpartition(".")[0] or None,
                "name": name,
                "name_folded": fold(name),
                "kind": kind,
                "link": link.value,
                "changed_at": self._now - _DAYS * _DAY,
                "last_seen_at": None if link is Link.NONE else self._now - self._random.randrange(_HOUR),
            }
        )

    def write(self, wanted: int) -> None:
        """Dispatches, the oldest first, until there are as many receipts as wanted; the great one a week ago."""
        each = wanted / (_DAYS * _DAY)
        told, at = self.nation.told, self._now - _DAYS * _DAY
        while len(told) < wanted or not self.nation.great:
            is_great = not self.nation.great and at >= self._now - 7 * _DAY
            before = len(told)
            key = self._dispatch(at, self._great() if is_great else self._some())
            if is_great:
                self.nation.great = key
            # As long until the next as its receipts are a share of all: the rows fill the time evenly.
            pause = 0 if is_great else round((len(told) - before) / each)
            at = min(at + pause, self._now - 60 * _SECOND)
        told.sort(key=lambda row: row[0])

    def _great(self) -> list[str]:
        return sorted(self._codes[: GREAT + 1][1:])

    def _some(self) -> list[str]:
        """One unit, some of a commune's offices, or units all over the country."""
        share = self._random.random()
        if share < 0.3:
            return [self._random.choice(self._codes)]
        count = self._random.randrange(20, 200) if share < 0.7 else self._random.randrange(2, 20)
        return sorted(self._random.sample(self._codes, min(count, len(self._codes))))

    def _dispatch(self, at: int, units: Sequence[str]) -> str:
        random, number = self._random, len(self.nation.dispatches) + 1
        issuer = random.choice(self._codes[: PROVINCES + 1])
        urgency = random.choices((0, 1, 2, 3), (80, 12, 5, 3))[0]
        letter = Submission(
            notation=f"{number}-CV/VP", subject=random.choice(_SUBJECTS), issuer=issuer, addressees=units[:20],
            urgency=urgency,
        )  # fmt: skip
        text = letter.model_dump_json(exclude_defaults=True).encode()
        due = at + 10 * _DAY if random.random() < 0.1 else None
        key = _id(at, random)
        self.nation.dispatches.append(
            {
                "id": key,
                "issuer": issuer,
                "kind": letter.kind.value,
                "notation": letter.notation,
                "subject": letter.subject,
                "search": fold(f"{letter.notation} {letter.subject}"),
                "urgency": urgency,
                "lane": lane_of(letter.urgency).value,
                "due_at": due,
                "accepted_at": at,
                "account": f"issuer:{issuer}",
                "idempotency_key": key,
                "submission_sha256": sha256(text).hexdigest(),
                "submission": text,
                "body": text,
                "content_sha256": sha256(b"").hexdigest(),
                "traceparent": f"00-{random.getrandbits(128):032x}-{random.getrandbits(64):016x}-01",
                "total": len(units),
            }
        )
        for code in units:
            self._delivery(key, code, at, urgency, due)
        return key

    def _delivery(self, dispatch_id: str, code: str, at: int, urgency: int, due: int | None) -> None:
        nation, random, link = self.nation, self._random, self._links[code]
        nation.sequences[code] = nation.sequences.get(code, 0) + 1
        steps = self._steps(at) if link != Link.NONE else []
        state = steps[-1][1] if steps else Status.PENDING
        first = {status: when for when, status in steps}
        on_the_way = state in {Status.PENDING, Status.QUEUED, Status.TAKEN} and link != Link.NONE
        reason = ReasonCode.NO_LINE if link == Link.NONE else _REASONS[len(code) % 2] if state is Status.PARKED else ""
        nation.told.extend((when, len(nation.deliveries), status) for when, status in steps)
        nation.deliveries.append(
            {
                "id": _id(at, random),
                "dispatch_id": dispatch_id,
                "unit": code,
                "seq": nation.sequences[code],
                "link": link,
                "urgency": urgency,
                "state": state.value,
                "state_at": steps[-1][0] if steps else at,
                "reason": reason,
                "reason_code": (code_told(reason) or "") if state is Status.PARKED else reason,
                "created_at": at,
                # Later than any run of the benchmark, so that the relay leaves the country alone.
                "next_due_at": self._now + 6 * _HOUR + random.randrange(_HOUR) if on_the_way else None,
                "published": int(Status.QUEUED in first),
                "claimed": int(link != Link.NONE),
                "due_at": due,
                "arrived_at": first.get(Status.ARRIVED),
                "registered_at": first.get(Status.REGISTERED),
                "completed_at": first.get(Status.COMPLETED),
            }
        )

    def _steps(self, at: int) -> list[tuple[int, Status]]:
        """The receipts of a delivery accepted at a time, as far as they have come by now."""
        fates, weights = zip(*_FATES, strict=True)
        steps: list[tuple[int, Status]] = []
        for status in self._random.choices(fates, weights)[0]:
            at += round(self._random.expovariate(1 / _PAUSES.get(status, 8 * _HOUR))) + 1
            if at >= self._now:
                break
            steps.append((at, status))
        return steps


def _id(at: int, random: Random) -> str:
    """A UUIDv7 of a time; those of one millisecond in no order."""
    value = at << 80 | 7 << 76 | random.getrandbits(12) << 64 | 2 << 62 | random.getrandbits(62)
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
