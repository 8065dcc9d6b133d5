"""A person's digest: what waits to be registered and answered, and their tasks, with what is due today or overdue."""

from collections.abc import Callable, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from consumers.desk import words
from consumers.reading import desk_lists
from consumers.reading.desk_lists import DeskRow, Need, WantedDocuments
from consumers.reading.inbox import InboxEntry
from consumers.reading.urgent import classified
from consumers.spool import handling
from consumers.spool.people import DeskRight
from consumers.spool.units import hosted
from router.mail.notices import MAX_TITLE, NoticeText, Passage, plain
from router.mail.recipients import Recipient
from router.pages.language import N_, translations
from schemas.clock import day_at
from schemas.dispatch import Urgency
from schemas.duties import Terms

_MOST = 50
"""Documents that one part names; of the rest it says how many."""
_LISTS = ((Need.REGISTER, N_("Not registered")), (Need.ANSWER, N_("Recalls to answer")))
Say = Callable[[str], str]
Item = tuple[InboxEntry, int | None, str]
"""A document, by when something is owed (UTC ms), and what else is to be said of it."""


def digest_of(
    conn: Connection, terms: Terms, one: Recipient, day: date, *, now_ms: int, pages: str
) -> NoticeText | None:
    """What somebody has to do; None: nothing.

    Args:
        conn: a transaction that reads.
        terms: by which deadlines are counted.
        one: who.
        day: the office's.
        now_ms: the present, UTC milliseconds.
        pages: where the desk's pages are found by browsers; empty: not known.
    """
    say, codes = translations(one.language).gettext, [item.code for item in hosted(conn)]
    clerks = [code for code in codes if one.person.may(DeskRight.REGISTER, code)]
    units = [code for code in codes if one.person.may(DeskRight.SEE, code)]
    parts: list[tuple[str, int, list[Item], str]] = []
    counts = desk_lists.count(conn, clerks)
    for need, label in _LISTS:
        rows = desk_lists.find(conn, WantedDocuments(clerks, need), limit=desk_lists.MOST)
        parts.append((label, counts[need], [_item(row, terms) for row in rows], f"/incoming?need={need}"))
    tasks = _tasks(conn, one, units, say)
    parts.append((N_("What you have to do"), len(tasks), tasks, "/"))
    shown = [entry.delivery_id for _, _, items, _ in parts for entry, _, _ in items]
    secret, written = classified(conn, shown), _Written(say, terms.calendar.zone, now_ms)
    passages = [
        written.passage(label, total, items, secret, f"{pages}{place}" if pages else "")
        for label, total, items, place in parts
        if total
    ]
    title = say(N_("What there is to do on %(day)s")) % {"day": f"{day:%d/%m/%Y}"}
    return NoticeText(title=plain(title, MAX_TITLE), passages=tuple(passages)) if passages else None


def _item(row: DeskRow, terms: Terms) -> Item:
    owed = row.owed(terms)
    return row.entry, owed.latest if owed else None, ""


def _tasks(conn: Connection, one: Recipient, units: Sequence[str], say: Say) -> list[Item]:
    mine = handling.tasks_of(conn, one.person.name, units, limit=desk_lists.MOST)
    known = desk_lists.of_ids(conn, units, [delivery for delivery, _ in mine])
    return [(known[delivery], task.until, say(words.PARTS[task.part])) for delivery, task in mine if delivery in known]


class _Written:
    """Writes a digest's parts for one moment.

    Args:
        say: translates.
        zone: of the office's clock.
        now_ms: the present.
    """

    def __init__(self, say: Say, zone: str, now_ms: int) -> None:
        self._say, self._zone, self._now = say, zone, now_ms

    def passage(self, label: str, total: int, items: Sequence[Item], secret: frozenset[str], link: str) -> Passage:
        """One part: its documents, how many are overdue and due today."""
        late = sum(self._is_late(until) for _, until, _ in items)
        today = sum(self._is_due_today(until) for _, until, _ in items)
        head = f"{self._say(label)}: {total}"
        if late:
            head += self._say(N_(", overdue: %(count)s")) % {"count": late}
        if today:
            head += self._say(N_(", due today: %(count)s")) % {"count": today}
        rows = [self._row(item, is_secret=item[0].delivery_id in secret) for item in items[:_MOST]]
        if total > len(rows):
            rows.append(self._say(N_("and %(count)s more")) % {"count": total - len(rows)})
        return Passage(head=plain(head), rows=tuple(map(plain, rows)), link=link)

    def _row(self, item: Item, *, is_secret: bool) -> str:
        entry, until, part = item
        named = entry.notation or self._say(N_("without a number"))
        told = self._say(N_("a classified document")) if is_secret else f"{named}: {plain(entry.subject, 200)}"
        marks = [part] if part else []
        if entry.urgency:
            marks.append(self._say(words.URGENCIES[Urgency(entry.urgency)]))
        if until is not None:
            time = f"{datetime.fromtimestamp(until / 1000, ZoneInfo(self._zone)):%H:%M %d/%m}"
            marks.append(f"{self._say(N_('by'))} {time}")
        if self._is_late(until):
            marks.append(self._say(N_("overdue")))
        return f"{told} ({', '.join(marks)})" if marks else told

    def _is_late(self, until: int | None) -> bool:
        return until is not None and until < self._now

    def _is_due_today(self, until: int | None) -> bool:
        is_today = until is not None and day_at(until, self._zone) == day_at(self._now, self._zone)
        return is_today and not self._is_late(until)
