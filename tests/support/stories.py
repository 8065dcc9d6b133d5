"""A story of two days in the example organisation, told to ledgers of either kind, of which each test gets a copy."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from argon2 import PasswordHasher
from sqlalchemy import Connection, Engine, make_url

from deploy.groundwork import EXAMPLES
from router.directory import load_csv
from router.ledger.engine import open_engine, writing
from router.ledger.people.persons import PEOPLE
from router.ledger.units import presence
from router.ledger.units.presence import Listening, Report
from router.ledger.units.unit_list import import_units, record_seen
from schemas.clock import iso, now_ms
from schemas.ids import new_id
from schemas.line import LineReport, Outage
from schemas.states import Status
from schemas.unit import Unit
from support.ledgers import Clerk, attachment, sqlite_ledger
from support.postgres import fresh_database

LIGHT = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
"""Hashes as the console does, but in no time: a login costs it 0.2 s of a processor, on purpose, and tests log in
often. ``tests/unit/console/test_passwords.py`` looks at the real ones."""
PASSWORD = "bốn từ chẳng ai ghép"
LOGINS = {
    "admin": ("admin", "LCA.#"),
    "viewer": ("viewer", "LCA.#"),
    "district": ("operator", "LCA.02.#"),
    "auditor": ("auditor", "LCA.02.#"),
}
FULL = "HTTP 507: the disk of the unit's system is full"
GONE = "HTTP 503: the unit's system does not answer"
DOWN = {"LCA.02.12", "LCA.03.01", "LCA.05.02"}
"""Units whose lines are down."""
_MINUTE, _HOUR, _DAY = 60_000, 3_600_000, 86_400_000
FRESH_SECONDS = 60.0
"""A story is told of the present, so after a minute it is told anew."""


@dataclass(slots=True)
class Story:
    """What the ledger was filled with: dispatch ids by what they show."""

    district: str = ""
    """To a district and its communes: arrived, registered, on the way, parked, and waiting for a line."""
    province: str = ""
    overdue: str = ""
    deliveries: dict[tuple[str, str], str] = field(default_factory=dict)


@dataclass(slots=True)
class _Told:
    """A ledger in which the story was told: its file's content, or its database's name."""

    where: Any
    story: Story
    at: float = field(default_factory=time.monotonic)

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() - self.at < FRESH_SECONDS

    def copied(self) -> Story:
        return replace(self.story, deliveries=dict(self.story.deliveries))


class SqliteStories:
    """Copies of a ledger in a file; ``latest`` is the story of the last one."""

    def __init__(self) -> None:
        self._told: _Told | None = None
        self.latest = Story()

    @contextmanager
    def copy(self, file: Path) -> Iterator[str]:
        """The URL of a copy in a file."""
        if self._told is None or not self._told.is_fresh:
            with TemporaryDirectory() as directory:
                told = Path(directory) / "ledger.sqlite3"
                story = _tell(sqlite_ledger(told))
                self._told = _Told(told.read_bytes(), story)
        file.write_bytes(self._told.where)
        self.latest = self._told.copied()
        yield f"sqlite:///{file}"


class PostgresqlStories:
    """Copies of a ledger in a database.

    Args:
        server_url: of the server.
        tables: the name of a database with empty tables.
    """

    def __init__(self, server_url: str, tables: str) -> None:
        self._server_url, self._tables = server_url, tables
        self._told: _Told | None = None
        self._kept = ExitStack()
        self.latest = Story()

    @contextmanager
    def copy(self, _file: Path) -> Iterator[str]:
        """The URL of a copy that is there for the length of one test."""
        if self._told is None or not self._told.is_fresh:
            self.close()
            url = self._kept.enter_context(fresh_database(self._server_url, self._tables))
            self._told = _Told(str(make_url(url).database), _tell(url))
        with fresh_database(self._server_url, self._told.where) as copy:
            self.latest = self._told.copied()
            yield copy

    def close(self) -> None:
        """Delete what copies were made of."""
        self._kept.close()


def _tell(url: str) -> Story:
    engine = open_engine(url)
    try:
        return _fill(engine, example_units())
    finally:
        engine.dispose()


def example_units() -> list[Unit]:
    """The example Lào Cai."""
    return load_csv((EXAMPLES / "lao-cai" / "units.csv").read_text("utf-8"))


@cache
def _password_hash() -> str:
    return LIGHT.hash(PASSWORD)


def _fill(engine: Engine, units: list[Unit]) -> Story:
    now = now_ms()
    with writing(engine) as conn:
        import_units(conn, units, now_ms=now - 30 * _DAY)
        record_seen(conn, [unit.code for unit in units[:40]], now - 5 * _MINUTE, new_id(), "0.1.0")
        for name, (role, pattern) in LOGINS.items():
            token = PEOPLE.invite(conn, name, [PEOPLE.check_grant(role, pattern)], now_ms=now)
            PEOPLE.set_password(conn, token, _password_hash(), now_ms=now)
        _tell_lines(conn, units, now)
        return _Teller(Clerk(conn), {unit.code: unit for unit in units}, now).tell()


def _tell_lines(conn: Connection, units: list[Unit], now: int) -> None:
    """A night and a morning of the lines: a district fell out at eight and came back, one commune is still away."""
    lined = [unit.code for unit in units if unit.link not in {"none", "excluded"}]
    outages: dict[str, list[Outage]] = {code: [] for code in lined}
    for number, code in enumerate(lined):
        if code.startswith("LCA.02."):
            outages[code].append(_outage(now - 4 * _HOUR + number * 1000, 47 * _MINUTE))
        elif number % 5 == 0:
            outages[code] += [_outage(now - (20 - hour) * _HOUR, number * 5000) for hour in range(0, 12, 3)]
    for number, code in enumerate(lined):
        at = now - (3 * _HOUR if code in DOWN else number * 100)
        said = LineReport(every=60, rate_down=4035 if number % 2 else None, outages=tuple(outages[code]))
        presence.note_report(conn, [code], Report(said, at + number * 700 - 2000, at))
    presence.note_silent(conn, Listening(now, 0))


def _outage(began: int, length: int) -> Outage:
    return Outage(down_at=_moment(began), up_at=_moment(began + length))


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)


class _Teller:
    """Fills the ledger with a story of two days."""

    def __init__(self, clerk: Clerk, units: Mapping[str, Unit], now: int) -> None:
        self._clerk, self._units, self._now = clerk, units, now
        self._story = Story()

    def tell(self) -> Story:
        for chapter in (self._overdue, self._yesterday, self._district, self._province):
            with self._clerk.burst():
                chapter()
        self._story.deliveries = dict(self._clerk.deliveries)
        return self._story

    def _within(self, *heads: str) -> list[Unit]:
        return [unit for code, unit in self._units.items() if code.startswith(heads) and unit.link != "excluded"]

    def _yesterday(self) -> None:
        self._clerk.now = self._now - 2 * _DAY
        for number in range(6):
            units = self._within(f"LCA.0{number + 1}")
            key = self._clerk.dispatch(
                "LCA.BTG",
                units,
                notation=f"{210 + number}-HD/BTGTU",
                subject="Hướng dẫn tuyên truyền kỷ niệm ngày thành lập tỉnh",
                urgency=number % 2,
            )
            for unit in units[:6]:
                if unit.link != "none":
                    self._clerk.tell(key, unit.code, Status.QUEUED, Status.TAKEN, Status.ARRIVED)
                    self._clerk.tell(
                        key, unit.code, Status.REGISTERED, register_number=str(40 + number), person="Văn thư"
                    )

    def _district(self) -> None:
        self._clerk.now = self._now - 3 * _HOUR
        units = self._within("LCA.02")
        key = self._story.district = self._clerk.dispatch(
            "LCA",
            units,
            notation="315-QĐ/TU",
            type="quyết định",
            subject="Quyết định phân công cán bộ giúp cơ sở",
            urgency=1,
            signer="Nguyễn Văn A",
            place="Lào Cai",
            attachments=[attachment(b"scan", "quyết định.pdf")],
        )
        reached = [unit.code for unit in units if unit.link != "none"]
        for code in reached:
            self._clerk.tell(key, code, Status.QUEUED)
        for code in reached[:-2]:
            self._clerk.tell(key, code, Status.TAKEN)
        for code in reached[:6]:
            self._clerk.tell(key, code, Status.ARRIVED)
        self._clerk.tell(key, reached[0], Status.REGISTERED, register_number="512", person="Trần Thị B")
        self._clerk.tell(key, reached[0], Status.COMPLETED, person="Trần Thị B")
        for code in reached[6:10]:
            self._clerk.tell(key, code, Status.PARKED, reason=FULL, attempts=8)
        self._clerk.tell(key, reached[1], Status.REFUSED, reason="không thuộc thẩm quyền", person="Lê Văn C")

    def _province(self) -> None:
        self._clerk.now = self._now - 20 * _MINUTE
        units = self._within("LCA.0")
        key = self._story.province = self._clerk.dispatch(
            "LCA.VP",
            units,
            notation="128-CĐ/TU",
            type="công điện",
            subject="Công điện về chủ động ứng phó mưa lũ, sạt lở đất",
            urgency=3,
            flash_text="Sơ tán người dân khỏi khu vực ven suối trước 18 giờ hôm nay. Trực 24/24 giờ.",
        )
        for number, unit in enumerate(units):
            if unit.link == "none" or number % 9 == 8:
                continue
            self._clerk.now = self._now - 19 * _MINUTE + number * 4000
            self._clerk.tell(key, unit.code, *(Status.QUEUED, Status.TAKEN, Status.ARRIVED)[: 1 + (number * 7) % 3])
        for code in [unit.code for unit in units if unit.link == "dialup"][7:60:26]:
            self._clerk.tell(key, code, Status.PARKED, reason=GONE)

    def _overdue(self) -> None:
        self._clerk.now = self._now - 5 * _DAY
        units = self._within("LCA.01")[:3]
        due = iso(self._now - _DAY)
        key = self._story.overdue = self._clerk.dispatch(
            "LCA.UBKT", units, notation="77-CV/UBKTTU", subject="Báo cáo kết quả kiểm tra quý", due=due
        )
        for unit in units:
            if unit.link != "none":
                self._clerk.tell(key, unit.code, Status.QUEUED, Status.TAKEN, Status.ARRIVED)
