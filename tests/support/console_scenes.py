"""What has to be there for some screens of the console to show something, made through the router's own functions."""

from datetime import timedelta

from sqlalchemy import select, update

from router.ledger.acts.stuck_care import take
from router.ledger.acts.token_acts import make as make_token
from router.ledger.engine import writing
from router.ledger.models import delivery, unit
from router.ledger.people.audit import By
from router.ledger.people.views import Screen, keep
from router.ledger.queries import Filter, stuck
from router.ledger.redrives.authority import Authority, AuthorityKind
from router.ledger.redrives.decisions import Pace
from router.ledger.redrives.making import NewRedrive, make
from router.ledger.scope import EVERYTHING
from schemas.accounts import parse_account
from schemas.clock import now_ms
from schemas.states import Status
from support.consoles import Console
from support.ledgers import Clerk


def gone(console: Console) -> str:
    """A unit that exists no more while something waits for it."""
    day = console.services.organisation.today - timedelta(days=1)
    with writing(console.engine) as conn:
        conn.execute(update(unit).where(unit.c.code == "LCA.02.13").values(valid_to=day, successor="LCA.02.14"))
    return "LCA.02.13"


def take_care(console: Console) -> str:
    """A group of what is stuck, with somebody who takes care of it; its id."""
    day, now = console.services.organisation.today, now_ms()
    with writing(console.engine) as conn:
        groups = stuck(conn, EVERYTHING, now_ms=now, day=day)
        group = next(item for item in groups if not item.gone and item.parent != "LCA.02")  # that is redriven
        by = By("district", "đã gọi văn phòng, chiều nay sẽ dọn ổ đĩa của hệ thống quản lý văn bản", now)
        take(conn, EVERYTHING, group.key.id, by, seen=None, day=day)
    return group.key.id


def keep_views(console: Console) -> str:
    """Views of one's own, one of them shared; what the first asks for."""
    query = "q=unit%3ALCA.02.%23+state%3Aparked"
    with writing(console.engine) as conn:
        for number, shared in enumerate((False, True)):
            keep(conn, "admin", Screen.LOG, f"bị giữ lại ở huyện, cuộc giao ban {number}", query, shared=shared)
        keep(conn, "viewer", Screen.LOG, "của người khác", query, shared=True)
    return query


def make_account(console: Console) -> str:
    """An account of a program; its name as an address has it."""
    with writing(console.engine) as conn:
        make_token(conn, parse_account("gateway:LCA.02.#:cong-du-phong"), By("admin", "", now_ms()))
    return "gateway:LCA.02.%23:cong-du-phong"


def arrive_again(console: Console) -> None:
    """What was sent again arrives at its units."""
    with writing(console.engine) as conn:
        again = set(conn.scalars(select(delivery.c.id).where(delivery.c.state == Status.REDRIVEN.value)))
        clerk = Clerk(conn, now=now_ms(), deliveries=dict(console.story.deliveries))
        for (dispatch, code), key in console.story.deliveries.items():
            if key in again:
                clerk.tell(dispatch, code, Status.QUEUED, Status.ARRIVED)


def begin_redrive(console: Console) -> str:
    """A redrive of what is parked in a district, one of it sent; its id."""
    with writing(console.engine) as conn:
        new = NewRedrive(
            who=Authority(AuthorityKind.PERSON, "admin"),
            token="shown",
            text="is:parked unit:LCA.02.#",
            wanted=Filter(units=("LCA.02.#",), states=frozenset({Status.PARKED})),
            cut_at=now_ms(),
            reason="đĩa đã được dọn",
            pace=Pace.CANARY,
            watch_ms=120_000,
        )
        return make(conn, new, now_ms=now_ms())
