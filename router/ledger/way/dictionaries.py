"""Which earlier attachments could be the dictionary of a new one: alike, recent, and in its addressees' hands."""

from collections import Counter
from collections.abc import Sequence

import orjson
from sqlalchemy import Connection, select

from router.ledger.models import delivery, dispatch, dispatch_attachment
from router.ledger.way.backlog import HERE
from schemas.attachment import Forms
from schemas.dispatch import Secrecy

_RECENT = 50
"""Dispatches of the issuer that are looked at, the latest first."""
_LOOKED_AT_FOR_EACH = 4
_ASKED_UNITS = 200
"""Addressees that are asked for; of more, so many spread evenly."""


def candidates(
    conn: Connection, issuer: str, media_type: str, units: Sequence[str], *, least: int, largest: int, count: int
) -> list[str]:
    """Attachments by SHA-256: first those that most of the addressees hold, then the latest.

    None of a classified dispatch: the name of a dictionary and the size of a difference reveal something of it, and all
    addressees of the new one read them.

    Args:
        conn: a reading transaction.
        issuer: whose dispatches are looked at; only its own, so that nothing of another's shows through.
        media_type: what they have to be.
        units: the addressees of the new one.
        least: the smallest size in bytes.
        largest: the largest.
        count: how many to return at most.
    """
    recent = (
        select(dispatch.c.id, dispatch.c.body)
        .where(dispatch.c.issuer == issuer)
        .order_by(dispatch.c.accepted_at.desc(), dispatch.c.id.desc())
        .limit(_RECENT)
    )
    files = (
        select(dispatch_attachment.c.sha256, dispatch_attachment.c.dispatch_id)
        .where(
            dispatch_attachment.c.dispatch_id.in_([key for key, body in conn.execute(recent) if _is_open(body)]),
            dispatch_attachment.c.media_type == media_type,
            dispatch_attachment.c.size.between(least, largest),
            dispatch_attachment.c.position >= 0,
        )
        .order_by(dispatch_attachment.c.dispatch_id.desc(), dispatch_attachment.c.position)
    )
    rows = [(sha256, dispatch_id) for sha256, dispatch_id in conn.execute(files)]
    holders = _holders(conn, {dispatch_id for _, dispatch_id in rows[: count * _LOOKED_AT_FOR_EACH]}, units)
    return _best(rows, holders, count)


def announced_forms(conn: Connection, sha256: str) -> list[Forms]:
    """The forms that descriptors name of a content."""
    columns = dispatch_attachment.c
    rows = conn.execute(
        select(columns.zstd_size, columns.dcz_size, columns.dictionary)
        .where(columns.sha256 == sha256, columns.zstd_size.is_not(None) | columns.dcz_size.is_not(None))
        .distinct()
        .limit(10)
    )
    return [Forms(zstd_size=row[0], dcz_size=row[1], dictionary=row[2]) for row in rows]


def _is_open(body: bytes) -> bool:
    """Whether the dispatch that a descriptor is of may be read by everybody."""
    return Secrecy(orjson.loads(body).get("secrecy", Secrecy.NONE)) is Secrecy.NONE


def _holders(conn: Connection, dispatches: set[str], units: Sequence[str]) -> Counter[str]:
    """How many of the units have what a dispatch brought, by the dispatch's id."""
    step = -(-len(units) // _ASKED_UNITS) or 1
    rows = conn.execute(
        select(delivery.c.dispatch_id).where(
            delivery.c.dispatch_id.in_(sorted(dispatches)),
            delivery.c.unit.in_(units[::step]),
            delivery.c.state.in_(HERE),
        )
    )
    return Counter(row[0] for row in rows)


def _best(rows: Sequence[tuple[str, str]], holders: Counter[str], count: int) -> list[str]:
    """Each attachment once, as many as are asked for; what no addressee holds is none."""
    held: dict[str, int] = {}
    for sha256, dispatch_id in rows:
        if holders[dispatch_id]:
            held[sha256] = max(held.get(sha256, 0), holders[dispatch_id])
    return sorted(held, key=lambda sha256: -held[sha256])[:count]
