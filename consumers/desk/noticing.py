"""Finds what the desk's people are to be told by e-mail: what is urgent at once, and a digest of each working day."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from consumers.desk import words
from consumers.desk.digest import digest_of
from consumers.desk.mailing import ARRIVED, DIGEST, MAILING, TASK, reach_of
from consumers.reading import urgent
from consumers.reading.inbox import InboxEntry
from consumers.reading.urgent import UrgentTask
from consumers.spool.people import seen_by
from consumers.spool.scope import UnitScope
from consumers.spool.units import hosted, names_of
from router.mail.digests import digest_day
from router.mail.notices import MAX_TITLE, Notice, NoticeText, Passage, Reach, plain
from router.mail.recipients import Recipient
from router.pages.language import N_, translations
from schemas.dispatch import Urgency
from schemas.duties import Terms

_LOOKS_BACK = timedelta(days=7) // timedelta(milliseconds=1)
"""What came before is no news; a notice is remembered for longer, so nothing is told twice."""
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class DeskNotices:
    """The desk's :class:`router.mail.sender.NoticeSource`.

    Args:
        terms: by which deadlines are counted.
        digest_minute: when a day's digest is made, minutes after midnight by the office's clock.
        pages: where the desk's pages are found by browsers; empty: not known.
    """

    terms: Terms
    digest_minute: int
    pages: str = ""

    def find(self, conn: Connection, recipients: Sequence[Recipient], *, now_ms: int) -> list[Notice]:
        """What has to be told now and was not."""
        return [
            *self._arrived(conn, recipients, now_ms),
            *self._tasks(conn, recipients, now_ms),
            *self._digests(conn, recipients, now_ms),
        ]

    def _arrived(self, conn: Connection, recipients: Sequence[Recipient], now_ms: int) -> Iterable[Notice]:
        wanting = [one for one in recipients if one.wants(ARRIVED.name)]
        codes = tuple(item.code for item in hosted(conn))
        units = UnitScope(codes, frozenset(codes))  # each is told what they see of it
        found = urgent.unregistered(conn, units, since=now_ms - _LOOKS_BACK, limit=_AT_ONCE) if wanting else []
        for one in wanting:
            mine = {
                item.delivery_id: item
                for item in found
                if item.taken_at >= one.told_since(now_ms) and MAILING.may(one.person, ARRIVED.name, _reach_of(item))
            }
            for subject in _untold(conn, one, ARRIVED.name, list(mine)):
                item = mine[subject]
                text = self._about(conn, one, item, N_("%(urgency)s: %(document)s has come"))
                yield Notice(one.person.name, ARRIVED.name, subject, _reach_of(item), text)

    def _tasks(self, conn: Connection, recipients: Sequence[Recipient], now_ms: int) -> Iterable[Notice]:
        wanting = {one.person.name: one for one in recipients if one.wants(TASK.name)}
        found = urgent.tasks(conn, list(wanting), since=now_ms - _LOOKS_BACK, limit=_AT_ONCE) if wanting else []
        for item in found:
            one, reach = wanting[item.person], _reach_of(item.entry)
            if item.since < one.told_since(now_ms) or not MAILING.may(one.person, TASK.name, reach):
                continue
            for subject in _untold(conn, one, TASK.name, [f"{item.entry.delivery_id} {item.pos}"]):
                yield Notice(one.person.name, TASK.name, subject, reach, self._task(conn, one, item))

    def _task(self, conn: Connection, one: Recipient, item: UrgentTask) -> NoticeText:
        say = translations(one.language).gettext
        rows = [say(N_("For you: %(part)s")) % {"part": say(words.PARTS[item.part])}]
        if item.until is not None:
            rows.append(say(N_("By: %(time)s")) % {"time": self._time(item.until)})
        return self._about(conn, one, item.entry, N_("%(urgency)s: %(document)s for you"), rows)

    def _about(
        self, conn: Connection, one: Recipient, entry: InboxEntry, title: str, rows: Sequence[str] = ()
    ) -> NoticeText:
        """A notice about one document; of a classified one, that there is one."""
        say = translations(one.language).gettext
        degree = say(words.URGENCIES[Urgency(entry.urgency)])
        if entry.secret:
            named, told = say(N_("a classified document")), []
        else:
            named = entry.notation or say(N_("a document without a number"))
            issuer = names_of(conn, [entry.issuer]).get(entry.issuer, entry.issuer)
            told = [entry.subject, say(N_("Issuer: %(name)s")) % {"name": issuer}]
        told += [say(N_("Came: %(time)s")) % {"time": self._time(entry.taken_at)}, *rows]
        told.append(say(N_("Unit: %(name)s")) % {"name": names_of(conn, [entry.unit]).get(entry.unit, entry.unit)})
        head = say(title) % {"urgency": degree.capitalize(), "document": named}
        link = f"{self.pages}/incoming/{entry.delivery_id}" if self.pages else ""
        passage = Passage(head=plain(head), rows=tuple(map(plain, told)), link=link)
        return NoticeText(title=plain(head, MAX_TITLE), passages=(passage,))

    def _digests(self, conn: Connection, recipients: Sequence[Recipient], now_ms: int) -> Iterable[Notice]:
        day = digest_day(self.terms.calendar, self.digest_minute, now_ms)
        if day is None:
            return
        make: Any = partial(digest_of, conn, self.terms, now_ms=now_ms, pages=self.pages)
        codes = [item.code for item in hosted(conn)]
        for one in recipients:
            if one.wants(DIGEST.name) and MAILING.may(one.person, DIGEST.name, Reach()):
                reach = reach_of(seen_by(one.person, codes))
                told = {"day": day.isoformat()}
                for subject in MAILING.notices.untold(conn, one.person.name, DIGEST.name, [""], **told):
                    yield Notice(one.person.name, DIGEST.name, subject, reach, make(one, day), **told)

    def _time(self, ms: int) -> str:
        return f"{datetime.fromtimestamp(ms / 1000, ZoneInfo(self.terms.calendar.zone)):%H:%M %d/%m/%Y}"


def _reach_of(entry: InboxEntry) -> Reach:
    return Reach(units=(entry.unit,), secrets=(entry.unit,) if entry.secret else ())


def _untold(conn: Connection, one: Recipient, kind: str, subjects: Sequence[str]) -> list[str]:
    return MAILING.notices.untold(conn, one.person.name, kind, subjects)
