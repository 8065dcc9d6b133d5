"""Checks of a unit's desk: whether somebody there can deal with what comes, state secrets too."""

import asyncio
from collections.abc import Iterator

from sqlalchemy import Connection, func, select

from consumers.settings import GatewaySettings
from consumers.spool.models import inbox
from consumers.spool.people import PEOPLE, DeskRight, holders
from consumers.spool.store import FILE_NAME, open_to_read
from consumers.spool.units import hosted
from deploy.doctor.findings import CheckAnswer, note, ok
from schemas.states import Status

_SHOWN = 5


async def people(settings: GatewaySettings) -> CheckAnswer:
    """Whether each unit has somebody who registers, and somebody cleared where a state secret waits."""
    if not (settings.data_dir / FILE_NAME).exists():
        return note(f"there is no spool in {settings.data_dir} yet")
    return await asyncio.to_thread(_look, settings)


def _look(settings: GatewaySettings) -> CheckAnswer:
    spool = open_to_read(settings.data_dir)
    try:
        with spool.reading() as conn:
            if not any(row.person.grants and not row.revoked_at for row in PEOPLE.list_all(conn)):
                return ok("nobody uses the desk here")
            lacking = list(_lacking(conn))
    finally:
        spool.close()
    if not lacking:
        return ok("each unit has somebody who registers")
    more = f" and {len(lacking) - _SHOWN} more" if len(lacking) > _SHOWN else ""
    hint = "`congvan desk people invite NAME --role clerk --role cleared --on UNIT` lets somebody in"
    return note("; ".join(lacking[:_SHOWN]) + more, hint)


def _lacking(conn: Connection) -> Iterator[str]:
    secret = inbox.c.secret & (inbox.c.state == Status.ARRIVED)
    counted = select(inbox.c.unit, func.count()).where(secret).group_by(inbox.c.unit)
    waiting = {row[0]: int(row[1]) for row in conn.execute(counted)}
    for code in (unit.code for unit in hosted(conn)):
        if not holders(conn, code, DeskRight.REGISTER):
            yield f"nobody registers for {code}"
        elif waiting.get(code) and not holders(conn, code, DeskRight.REGISTER, secret=True):
            yield f"{waiting[code]} state secrets wait at {code}, where no clerk is cleared to see them"
