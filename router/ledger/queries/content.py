"""Whether somebody may have the bytes of an attachment."""

from sqlalchemy import Connection, exists, select

from router.ledger.models import delivery, dispatch, dispatch_attachment
from router.ledger.scope import Scope, within
from schemas.states import Status

_GONE = [Status.RECALLED.value, Status.EXPIRED.value]


def may_fetch(conn: Connection, scope: Scope, sha256: str) -> bool:
    """Whether a dispatch with this content was issued within the scope, or is to be delivered to a unit of it.

    A delivery that was recalled or has expired gives no right to the content.
    """
    files = select(dispatch_attachment.c.dispatch_id).where(dispatch_attachment.c.sha256 == sha256)
    if not scope.everything:
        owned = files.join(dispatch).where(within(dispatch.c.issuer, scope.issuers))
        addressed = files.join(delivery, delivery.c.dispatch_id == dispatch_attachment.c.dispatch_id).where(
            within(delivery.c.unit, scope.units), delivery.c.state.not_in(_GONE)
        )
        return bool(conn.scalar(select(exists(owned)))) or bool(conn.scalar(select(exists(addressed))))
    return bool(conn.scalar(select(exists(files))))
