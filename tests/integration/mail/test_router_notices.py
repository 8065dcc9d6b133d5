"""What operators are told by e-mail: what stopped, incidents, a digest a day; each only of what they may act on."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from functools import partial
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Engine, update

from router.ledger.engine import reading, writing
from router.ledger.models import unit as unit_row
from router.ledger.people.persons import PEOPLE, PersonRole
from router.mail.outbox import FIRST_PAUSE_MS
from router.mail.sender import MailSender
from router.pages.people import RoleGrant
from router.settings import RouterSettings
from router.words.incidents import IncidentCause, broker_away, contents_damaged
from router.words.mailing import router_name
from router.words.notices import MAILING, RouterNotices
from schemas.dispatch import Secrecy
from schemas.states import Status
from schemas.working_calendar import WorkingCalendar
from support.ledgers import SQLITE, Clerk, unit
from support.mail_server import MailServer
from support.query_plans import plans, scanned

ZONE = "Asia/Ho_Chi_Minh"
CODES = ("LCA", "LCA.02", "LCA.02.05", "LCA.02.07", "LCA.03", "LCA.03.01")
UNITS = [unit(code) for code in CODES]
FULL = "HTTP 507: the disk is full"
SUNDAY = round(datetime(2026, 11, 29, 9, 0, tzinfo=ZoneInfo(ZONE)).timestamp() * 1000)
"""No digest is made on it."""
MONDAY = SUNDAY + 86_400_000


@dataclass(slots=True)
class Operators:
    """Operators of a district and of the province, and a viewer, who are told by e-mail."""

    engine: Engine
    server: MailServer
    now: int = SUNDAY
    troubles: list[IncidentCause] = field(default_factory=list)
    notices: RouterNotices = field(init=False)

    def __post_init__(self) -> None:
        self.notices = RouterNotices(
            WorkingCalendar(ZONE), 450, "https://congvan.test/console", self._troubles, lasts=0.0
        )
        with writing(self.engine) as conn:
            Clerk(conn).units(*UNITS)
            for name, role, pattern in (
                ("huyen", PersonRole.OPERATOR, "LCA.02.#"),
                ("tinh", PersonRole.OPERATOR, "LCA.#"),
                ("xem", PersonRole.VIEWER, "LCA.#"),
            ):
                PEOPLE.invite(conn, name, [RoleGrant(role, pattern)], now_ms=self.now)
                MAILING.recipients.set_address(conn, name, f"{name}@example.vn", "vi", now_ms=0)

    def _troubles(self) -> Sequence[IncidentCause]:
        return list(self.troubles)

    def park(self, to: str, **letter: object) -> None:
        """A delivery to a unit that its gateway could not hand over."""
        with writing(self.engine) as conn:
            clerk = Clerk(conn, now=self.now - 60_000)
            states = Status.QUEUED, Status.TAKEN, Status.PARKED
            clerk.tell(clerk.dispatch("LCA", UNITS, **letter), to, *states, reason=FULL)

    async def round(self) -> list[EmailMessage]:
        """Look and send; what has come since the last time."""
        before = len(self.server.taken())
        await MailSender(
            self.server.settings(),
            MAILING,
            self.notices,
            reading=partial(reading, self.engine),
            writing=partial(writing, self.engine),
            clock=lambda: self.now,
        ).round()
        return self.server.taken()[before:]


@pytest.fixture
def operators(ledger: Engine, server: MailServer) -> Operators:
    return Operators(ledger, server)


def told(messages: Sequence[EmailMessage]) -> list[tuple[str, str]]:
    """Who got which subject."""
    return sorted((message["X-To"].partition("@")[0], message["Subject"]) for message in messages)


def text_of(message: EmailMessage) -> str:
    body = message.get_body(("plain",))
    assert body is not None
    return str(body.get_content())


async def test_what_stops_is_told_to_those_who_may_act_on_it_and_once(operators: Operators) -> None:
    operators.park("LCA.02.05", notation="7-CV/TU")
    operators.park("LCA.03.01", notation="8-CV/TU")
    found = await operators.round()
    assert told(found) == [
        ("huyen", "7-CV/TU gửi LCA.02.05: bị giữ lại"),
        ("tinh", "7-CV/TU gửi LCA.02.05: bị giữ lại (và 1 mục khác)"),
    ]
    assert "Ổ đĩa của thư mục nhận đã đầy" in text_of(found[0])
    assert "https://congvan.test/console/deliveries/" in text_of(found[0])
    operators.now += 3_600_000
    assert await operators.round() == []


async def test_many_that_stop_are_one_e_mail_in_ten_minutes(operators: Operators) -> None:
    operators.park("LCA.02.05", notation="1-CV/TU")
    assert len(await operators.round()) == 2
    for number in (2, 3, 4):
        operators.now += 60_000
        operators.park("LCA.02.07", notation=f"{number}-CV/TU")
        assert await operators.round() == []
    operators.now += 600_000
    assert ("huyen", "2-CV/TU gửi LCA.02.07: bị giữ lại (và 2 mục khác)") in told(await operators.round())


async def test_what_stopped_on_the_way_to_a_muted_unit_calls_nobody(operators: Operators) -> None:
    operators.park("LCA.02.05")
    with writing(operators.engine) as conn:
        conn.execute(update(unit_row).where(unit_row.c.code == "LCA.02.05").values(muted_until=operators.now + 1000))
    assert await operators.round() == []


async def test_of_a_classified_document_nothing_is_told_but_that_it_is_one(operators: Operators) -> None:
    operators.park("LCA.02.05", notation="1-CV/M", subject="Bí mật lớn", secrecy=Secrecy.SECRET)
    messages = await operators.round()
    whole = "".join(f"{message['Subject']}{text_of(message)}" for message in messages)
    assert "một văn bản mật gửi LCA.02.05" in whole
    assert not [word for word in ("1-CV/M", "Bí mật lớn") if word in whole]


async def test_a_digest_that_waits_is_made_anew_of_the_units_that_its_person_may_still_act_on(
    operators: Operators,
) -> None:
    with writing(operators.engine) as conn:
        PEOPLE.invite(conn, "huyen", [RoleGrant(PersonRole.OPERATOR, "LCA.03.01")], now_ms=operators.now)
        PEOPLE.revoke(conn, "tinh", now_ms=operators.now)
        MAILING.recipients.choose(conn, "huyen", [kind.name for kind in MAILING.kinds], ["digest"])
    operators.park("LCA.02.05")
    operators.park("LCA.03.01")
    operators.server.answer("huyen@example.vn", "450 4.2.0 later")
    operators.now = MONDAY
    assert await operators.round() == []
    with writing(operators.engine) as conn:
        PEOPLE.withdraw(conn, "huyen", RoleGrant(PersonRole.OPERATOR, "LCA.03.01"))
    operators.now += FIRST_PAUSE_MS + 1000
    assert await operators.round() == []
    (message,) = await operators.round()
    assert "1 lượt chuyển đến 1 đơn vị" in text_of(message)
    assert await operators.round() == []


@pytest.mark.parametrize("ledger_url", [SQLITE], indirect=True)
async def test_no_look_for_what_is_to_be_told_reads_a_whole_table_that_grows(operators: Operators) -> None:
    operators.now = MONDAY
    for unit_code in ("LCA.02.05", "LCA.03.01"):
        operators.park(unit_code)
    with plans(operators.engine) as found:
        assert len(await operators.round()) == 4
        assert await operators.round() == []
    (looks,) = (plan for statement, plan in found.items() if "AS stopped" in statement)
    assert "ix_delivery_stopped (state=? AND state_at>?)" in looks, looks
    whole = scanned(found, {"delivery", "dispatch", "receipt", "notice", "mail"})
    assert not whole, "\n\n".join(whole)


async def test_an_incident_is_told_when_it_begins_and_when_it_ends_and_again_when_it_comes_back(
    operators: Operators,
) -> None:
    operators.troubles = [broker_away("may1", is_up=True), contents_damaged("may1", 0)]
    assert await operators.round() == []
    what = "bộ định tuyến tại may1 mất kết nối với máy chủ hàng đợi"
    for beginning, is_up in (("Sự cố", False), ("Đã hết sự cố", True), ("Sự cố", False)):
        operators.now += 1000
        operators.troubles = [broker_away("may1", is_up=is_up), contents_damaged("may1", 0)]
        assert told(await operators.round()) == [
            ("huyen", f"{beginning}: {what}"),
            ("tinh", f"{beginning}: {what}"),
        ]
        assert await operators.round() == []


async def test_two_routers_of_one_machine_tell_each_its_own_incidents_once(operators: Operators) -> None:
    down, up = (router_name(RouterSettings(http_port=port)) for port in (8470, 8471))
    counts: list[int] = []
    for _ in range(3):
        for name, is_up in ((down, False), (up, True)):
            operators.troubles = [broker_away(name, is_up=is_up)]
            counts.append(len(await operators.round()))
        operators.now += 60_000
    assert counts == [2, 0, 0, 0, 0, 0]


async def test_what_is_on_for_a_moment_is_no_incident(operators: Operators) -> None:
    operators.notices.lasts = 3600.0
    operators.troubles = [broker_away("may1", is_up=False)]
    assert await operators.round() == []


async def test_a_digest_comes_on_working_days_to_those_who_act_and_names_their_units_alone(
    operators: Operators,
) -> None:
    with writing(operators.engine) as conn:
        for name in ("huyen", "tinh"):
            MAILING.recipients.choose(conn, name, [kind.name for kind in MAILING.kinds], ["digest"])
    operators.park("LCA.03.01")
    assert await operators.round() == [], "it is a Sunday"
    operators.now = MONDAY
    (message,) = await operators.round()
    assert told([message]) == [("tinh", "Việc cần chú ý ngày 30/11/2026")]
    assert "1 lượt chuyển đến 1 đơn vị" in text_of(message)
    operators.park("LCA.02.05")
    operators.now += 3_600_000
    assert await operators.round() == [], "the day's digest of the district had nothing to say"
