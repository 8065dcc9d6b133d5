"""A new list of the organisation: what it would change, and its taking over, once for commands and pages alike."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection

from router.directory.checking import require_whole
from router.directory.difference import Difference, difference
from router.errors import ActRefusedError
from router.ledger.people import audit
from router.ledger.people.audit import Act, AuditEntry, By
from router.ledger.units.unit_list import ImportResult, apply_difference, list_units, lock_list
from schemas.codes import ancestors_of, is_within
from schemas.ids import new_id
from schemas.unit import Unit


class ListOutdatedError(ActRefusedError):
    """The organisation is not what it was when somebody looked at what the list would change."""


@dataclass(frozen=True, slots=True)
class NewList:
    """A list of units as it was loaded, and what is to become of those that it does not name."""

    name: str
    """What its file is called."""
    units: Sequence[Unit]
    last_day: date | None = None
    """Of the units that it does not name; None: they stay as they are."""
    own: Sequence[str] | None = None
    """Patterns of the units that it is a list of; None: all."""


def foresee(conn: Connection, new: NewList) -> Difference:
    """What a list would change now.

    Raises:
        DirectoryError: what it leaves in the ledger would not hold together.
    """
    known = {item.code: item for item in list_units(conn)}
    found = difference(known.values(), new.units, last_day=new.last_day, own=new.own)
    if not found.is_empty:
        after = known | {item.code: item for item in (*found.added, *found.updated)}
        require_whole(after.values())
    return found


def import_list(conn: Connection, new: NewList, by: By, *, seal: str = "") -> ImportResult:
    """Do it, all of it or nothing, and write it into the audit log; what changes nothing leaves no trace.

    The log gets a row of the whole and one of each unit, so that whoever audits a part finds what became of it.

    Args:
        conn: a transaction that writes.
        new: the list.
        by: who acts.
        seal: of the difference that was looked at before; empty: nobody looked.

    Raises:
        DirectoryError: as :func:`foresee`.
        ListOutdatedError: it would no longer do what was looked at.
    """
    lock_list(conn)
    found = foresee(conn, new)
    if seal not in {"", found.seal}:
        raise ListOutdatedError(
            "the organisation has changed since this list was looked at", hint="look at what it would change now"
        )
    done = apply_difference(conn, found, now_ms=by.now_ms)
    if not found.is_empty:
        audit.record(conn, *_entries(new, found, by))
    return done


def head_of(codes: Sequence[str]) -> str:
    """The unit at or above all of some; empty: there is none.

    >>> head_of(["LCA.02.05", "LCA.02", "LCA.02.07"]), head_of(["LCA.02", "LCA.03"]), head_of(["LCA", "YBA"])
    ('LCA.02', 'LCA', '')
    """
    first = min(codes)
    heads = (first, *ancestors_of(first))
    return next((head for head in heads if all(is_within(code, head) for code in codes)), "")


def _entries(new: NewList, found: Difference, by: By) -> list[AuditEntry]:
    job = new_id()

    def entry(act: Act, subject: str, unit: str, detail: str = "") -> AuditEntry:
        return AuditEntry(by.now_ms, by.who, act, subject, unit, by.why, by.address, detail, job)

    counts = f"+{len(found.added)} ~{len(found.changed)} -{len(found.retired)} {_digest(new.units)}"
    return [
        entry(Act.UNITS_IMPORTED, new.name, head_of(found.touched), counts),
        *(entry(Act.UNIT_ADDED, item.code, item.code) for item in found.added),
        *(entry(Act.UNIT_CHANGED, item.code, item.code, item.told) for item in found.changed),
        *(entry(Act.UNIT_RETIRED, item.code, item.code, str(item.after.valid_to)) for item in found.retired),
    ]


def _digest(units: Sequence[Unit]) -> str:
    """Names the list by what it says, whatever file it stood in."""
    lines = sorted(item.model_dump_json() for item in units)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
