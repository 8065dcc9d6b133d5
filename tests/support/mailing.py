"""A program's notices for tests of the kit, over the ledger's tables: two kinds, people, things to tell."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy import Connection, Engine

from router.ledger.engine import reading, writing
from router.ledger.models import mail_tables
from router.ledger.people.persons import PEOPLE, PersonRole, Right
from router.mail.notices import Notice, NoticeKind, NoticeText, Passage, Reach
from router.mail.outbox import MailRow
from router.mail.recipients import Recipient
from router.mail.sender import Mailing, MailSender
from router.mail.settings import MailSettings
from router.mail.states import MailState
from router.pages.people import Person, RoleGrant
from schemas.clock import now_ms

URGENT, MANY = NoticeKind("urgent", "what is urgent"), NoticeKind("many", "what comes in numbers", is_grouped=True)
UNIT, OTHER_UNIT = "LCA.02.05", "LCA.03.01"
DAY_MS = 86_400_000
PAGES = "https://congvan.test/console"


def _may(person: Person, _kind: str, reach: Reach) -> bool:
    return bool(person.patterns(Right.ACT)) and all(person.may(Right.ACT, unit) for unit in reach.units)


MAILING = Mailing(mail_tables, PEOPLE, (URGENT, MANY), _may, lambda _conn, login: f"Bà {login}")


@dataclass(slots=True)
class Told:
    """What a program has to tell, whether it was told or not."""

    notices: list[Notice] = field(default_factory=list)
    fault: Exception | None = None
    """What the next look fails with."""

    def add(self, person: str, subject: str, *, kind: NoticeKind = URGENT, title: str = "", unit: str = UNIT) -> None:
        text = NoticeText(title=title or f"Văn bản {subject}", passages=(Passage(head="Trích yếu", rows=("Rét đậm",)),))
        self.notices.append(Notice(person, kind.name, subject, Reach(units=(unit,)), text))

    def find(self, _conn: Connection, _recipients: Sequence[Recipient], *, now_ms: int) -> list[Notice]:  # noqa: ARG002 - the protocol's
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault
        return list(self.notices)


@dataclass(slots=True)
class PostOffice:
    """A ledger whose people are told by e-mail; ``ahead`` (ms) is how far its clock is set."""

    engine: Engine
    told: Told = field(default_factory=Told)
    ahead: int = 0

    def now(self) -> int:
        return now_ms() + self.ahead

    def let_in(self, name: str, address: str = "", *, unit: str = UNIT, language: str = "vi") -> None:
        """An operator of a unit with an address."""
        with writing(self.engine) as conn:
            PEOPLE.invite(conn, name, [RoleGrant(PersonRole.OPERATOR, unit)], now_ms=self.now())
            MAILING.recipients.set_address(conn, name, address or f"{name}@example.vn", language, now_ms=self.now())

    def sender(self, settings: MailSettings, engine: Engine | None = None) -> MailSender:
        opened = engine or self.engine
        reads, writes = partial(reading, opened), partial(writing, opened)
        return MailSender(settings, MAILING, self.told, reading=reads, writing=writes, pages=PAGES, clock=self.now)

    def listed(self, *states: MailState) -> list[MailRow]:
        with reading(self.engine) as conn:
            return MAILING.outbox(MailSettings()).listed(conn, states=states, limit=5000)

    def states(self) -> list[tuple[str, MailState]]:
        """Whose e-mail is in what state."""
        return sorted((row.person, row.state) for row in self.listed())
