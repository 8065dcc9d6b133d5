"""What is on its way to the inbox: how much of each document is here, and about when the rest will be.

Read from what the gateway leaves on the disk while it runs: its spool, the parts of contents, its status file. So a
document is seen as soon as its descriptor has been taken, and nothing here writes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import orjson

from consumers.fetching.content import DIRECTORY_NAME
from consumers.fetching.dictionaries import DIRECTORY_NAME as DICTIONARIES
from consumers.fetching.order import Waiter, seconds_left, turn
from consumers.fetching.part import come_of
from consumers.line.openings import UnitHours
from consumers.reading.inbox import InboxEntry, waiting_letters
from consumers.spool import Spool
from consumers.spool.scope import UnitScope
from consumers.spool.taking import Content
from consumers.spool.units import hosted
from consumers.status import EVERY, status_path
from consumers.taking.descriptors import contents_of
from schemas.descriptor import Descriptor
from schemas.dispatch import Lane, lane_of
from schemas.model import parse

STALE_SECONDS = 4 * EVERY
"""A status older than this is of a gateway that does not run."""
MOST = 200


@dataclass(frozen=True, slots=True)
class Coming:
    """A document on its way; sizes in bytes as they travel, ``total`` 0 when nothing is to be fetched for it.

    ``seconds`` is about how long the rest takes; None while that is not known. ``opens_at`` is when the unit's line
    opens, if it has to wait for that. ``listed`` is false while only its list of files is being fetched.
    """

    entry: InboxEntry
    flash_text: str
    held: int
    total: int
    seconds: float | None
    listed: bool = True
    opens_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class LineNow:
    """The line as the gateway last told: its state (empty: no gateway runs) and rate in bytes/s (0: not known)."""

    state: str = ""
    rate: float = 0.0

    @property
    def is_up(self) -> bool:
        """Whether content can come."""
        return self.state == "up"


def line_now(data_dir: Path) -> LineNow:
    """The line by the status file of a data directory, and what it gives downward."""
    return _line(data_dir, "line_rate")


def line_up_now(data_dir: Path) -> LineNow:
    """The same, and what it gives upward."""
    return _line(data_dir, "line_rate_up")


def _line(data_dir: Path, rate: str) -> LineNow:
    try:
        standing = orjson.loads(status_path(data_dir).read_bytes())
        age = (datetime.now(UTC) - datetime.fromisoformat(standing["at"])).total_seconds()
        state = str(standing["line"]) if age <= STALE_SECONDS else ""
        return LineNow(state, float(standing[rate]))
    except (OSError, ValueError, KeyError, TypeError):
        return LineNow()


def coming(spool: Spool, line: LineNow, units: UnitScope | None = None, *, limit: int = MOST) -> list[Coming]:
    """The documents on their way, in the order in which they are fetched; it blocks.

    Args:
        spool: an open spool.
        line: as it is now; how long a line that is down takes is not known.
        units: what is seen of these alone; None: of all.
        limit: at most so many.

    Raises:
        SpoolUnavailableError: the spool cannot be read now.
    """
    found = _waiting(spool, units)
    files = {entry.delivery_id: _files(spool.path.parent, contents_of(descriptor)) for entry, descriptor in found}
    waiters = {entry.delivery_id: _waiter(entry, files[entry.delivery_id]) for entry, _ in found}
    opens = _opens_at(spool)
    closed = {entry.delivery_id for entry, _ in found if _waits(entry, opens)}
    going = [waiter for key, waiter in waiters.items() if key not in closed][:MOST]  # what is behind these nobody knows
    times = seconds_left(going, line.rate if line.is_up else 0.0)
    found.sort(key=lambda pair: (pair[0].delivery_id in closed, turn(waiters[pair[0].delivery_id])))
    shown = [
        _coming(
            entry,
            descriptor,
            files[entry.delivery_id],
            times.get(entry.delivery_id),
            opens.get(entry.unit) if entry.delivery_id in closed else None,
        )
        for entry, descriptor in found
        if units is None or units.sees(entry.unit, secret=entry.secret)
    ]
    return shown[:limit]


def _waiting(spool: Spool, units: UnitScope | None) -> list[tuple[InboxEntry, Descriptor]]:
    """The first that wait, of whomever, for they go first; and the first of the units, whatever is before those."""
    with spool.reading() as conn:
        rows = waiting_letters(conn, None, limit=MOST)
        if units is not None and len(rows) == MOST:
            rows = list(dict(chain(rows, waiting_letters(conn, units, limit=MOST))).items())
    return [(entry, parse(Descriptor, body, what="descriptor")) for entry, body in rows]


@dataclass(frozen=True, slots=True)
class _File:
    """A content: bytes that are here, of how many that travel."""

    sha256: str
    held: int
    total: int


def _waiter(entry: InboxEntry, files: list[_File]) -> Waiter:
    left = {file.sha256: file.total - file.held for file in files if file.held < file.total}
    return Waiter(entry.delivery_id, entry.urgency, entry.taken_at, left)


def _opens_at(spool: Spool) -> dict[str, datetime]:
    """When the lines open that are closed now, by unit."""
    now = datetime.now(UTC)
    with spool.reading() as conn:
        hours = {item.code: UnitHours(item.opening, item.timezone) for item in hosted(conn) if item.opening}
    opens = {code: item.opens_at(now) for code, item in hours.items()}
    return {code: at for code, at in opens.items() if at is not None}


def _waits(entry: InboxEntry, opens: Mapping[str, datetime]) -> bool:
    return entry.unit in opens and lane_of(entry.urgency) is Lane.NORMAL


def _coming(
    entry: InboxEntry, descriptor: Descriptor, files: list[_File], seconds: float | None, opens_at: datetime | None
) -> Coming:
    held, total = sum(file.held for file in files), sum(file.total for file in files)
    waits = opens_at if held < total else None
    return Coming(entry, descriptor.flash_text, held, total, seconds, descriptor.record is None, waits)


def _files(data_dir: Path, contents: tuple[Content, ...]) -> list[_File]:
    return [_file(data_dir, content) for content in contents]


def _file(data_dir: Path, content: Content) -> _File:
    whole = data_dir / DIRECTORY_NAME / content.sha256
    expected = content.least(holds=lambda sha256: (data_dir / DICTIONARIES / sha256).exists())
    held, total = come_of(whole, content.size) or (0, expected)
    return _File(content.sha256, total if whole.exists() else min(held, total), total)
