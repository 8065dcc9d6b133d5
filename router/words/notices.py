"""What operators are told by e-mail: deliveries that stopped, incidents that begin and end, a digest of each day."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from time import monotonic

from sqlalchemy import Connection

from router.ledger import queries
from router.ledger.models import mail_tables
from router.ledger.people.persons import PEOPLE, Right, scope_of
from router.ledger.queries.stopped import StoppedDelivery, newly_stopped
from router.ledger.recovery import forgotten
from router.ledger.scope import Scope
from router.mail.digests import digest_day
from router.mail.notices import MAX_TITLE, MAX_WAITING, Notice, NoticeKind, NoticeText, Passage, Reach, plain
from router.mail.recipients import Recipient
from router.mail.sender import Mailing
from router.pages.language import ENGLISH, N_, translations
from router.pages.people import Person
from router.rules.outages import LineState
from router.words import terms
from router.words.incidents import Incident, IncidentCause, incidents_of
from schemas.codes import includes
from schemas.reasons import WORDS, known_code
from schemas.working_calendar import WorkingCalendar

STOPPED = NoticeKind("stopped", N_("deliveries that were parked or expired"), is_grouped=True)
INCIDENT = NoticeKind("incident", N_("incidents, when they begin and when they end"))
DIGEST = NoticeKind("digest", N_("what needs attention, once a working day"))
_LOOKS_BACK = timedelta(days=1) // timedelta(milliseconds=1)
"""What stopped before is no news; a notice is remembered for longer, so nothing is told twice."""
LASTS = 60.0
"""Seconds that something is an incident, or none any more, before it is told."""
Say = Callable[[str], str]


def may_be_told(person: Person, _kind: str, reach: Reach) -> bool:
    """Whether somebody may act on the deliveries of all units that a notice reaches; on any when it names none."""
    own = person.patterns(Right.ACT)
    return bool(own) and all(any(includes(pattern, unit) for pattern in own) for unit in reach.units)


MAILING = Mailing(mail_tables, PEOPLE, (STOPPED, INCIDENT, DIGEST), may_be_told)


@dataclass(frozen=True, slots=True)
class DigestView:
    """What a part of a digest is made of: for whom, what they see, and the present (UTC ms)."""

    conn: Connection
    scope: Scope
    say: Say
    now_ms: int
    pages: str


def _attention(at: DigestView) -> Passage | None:
    """What needs attention, by its cause, as the overview shows it."""
    groups = queries.attention(at.conn, at.scope, now_ms=at.now_ms)
    rows = [
        at.say(N_("%(cause)s: %(deliveries)s deliveries to %(units)s units"))
        % {"cause": at.say(terms.FLAGS[group.cause].label), "deliveries": group.deliveries, "units": group.units}
        for group in groups
    ]
    link = f"{at.pages}/" if at.pages else ""
    head = at.say(N_("What needs attention"))
    return Passage(head=head, rows=tuple(map(plain, rows[:100])), link=link) if rows else None


def _lines(at: DigestView) -> Passage | None:
    """How many lines are down."""
    counts = queries.count_lines(at.conn, at.scope)
    if not counts[LineState.DOWN]:
        return None
    head = at.say(N_("%(down)s of %(all)s lines are down")) % {
        "down": counts[LineState.DOWN],
        "all": sum(counts.values()),
    }
    return Passage(head=head, link=f"{at.pages}/lines?state=down" if at.pages else "")


DIGEST_PARTS: tuple[Callable[[DigestView], Passage | None], ...] = (_attention, _lines)
"""What a digest has, in its order; each says None when there is nothing."""


@dataclass(slots=True)
class RouterNotices:
    """The router's :class:`router.mail.sender.NoticeSource`.

    Args:
        calendar: of the organisation's working days.
        digest_minute: when a day's digest is made, minutes after midnight by the office's clock.
        pages: where the console's pages are found by browsers; empty: not known.
        troubles: what this router itself knows of incidents.
    """

    calendar: WorkingCalendar
    digest_minute: int
    pages: str = ""
    troubles: Callable[[], Sequence[IncidentCause]] = tuple
    lasts: float = LASTS
    _since: dict[tuple[str, str], tuple[bool, float]] = field(default_factory=dict)
    """Of each person's incidents, whether it was there at the last looks, and since when (monotonic seconds)."""

    def find(self, conn: Connection, recipients: Sequence[Recipient], *, now_ms: int) -> list[Notice]:
        """What has to be told now and was not."""
        acting = [one for one in recipients if MAILING.may(one.person, "", Reach())]
        return [
            *self._stopped(conn, acting, now_ms),
            *self._incidents(conn, acting),
            *self._digests(conn, acting, now_ms),
        ]

    def _stopped(self, conn: Connection, recipients: Sequence[Recipient], now_ms: int) -> Iterable[Notice]:
        notices = MAILING.notices
        for one in recipients:
            room = MAX_WAITING - notices.waiting(conn, one.person.name, STOPPED.name)
            if not one.wants(STOPPED.name) or room <= 0:
                continue
            found = newly_stopped(
                conn,
                scope_of(one.person, Right.ACT),
                person=one.person.name,
                kind=STOPPED.name,
                since=max(one.told_since(now_ms), now_ms - _LOOKS_BACK),
                now_ms=now_ms,
                limit=room,
            )
            for item in found:
                text = self._about(one.language, item)
                yield Notice(one.person.name, STOPPED.name, item.subject, Reach(units=(item.unit,)), text)

    def _about(self, language: str, item: StoppedDelivery) -> NoticeText:
        say = translations(language).gettext
        named = say(N_("a classified document")) if item.is_classified else item.notation or say(N_("without a number"))
        words = {"state": say(terms.STATES[item.state].label), "document": named, "unit": item.unit}
        title = say(N_("%(document)s to %(unit)s: %(state)s")) % words
        head = " ".join(filter(None, (title, item.unit_name and f"({item.unit_name})")))
        rows = [] if item.is_classified else [item.letter]
        rows += [_why(language, item)] if item.reason or item.code else []
        link = f"{self.pages}/deliveries/{item.id}" if self.pages else ""
        passage = Passage(head=plain(head), rows=tuple(map(plain, rows)), link=link)
        return NoticeText(title=plain(title, MAX_TITLE), passages=(passage,))

    def _incidents(self, conn: Connection, recipients: Sequence[Recipient]) -> Iterable[Notice]:
        own, seen = list(self.troubles()), dict[Scope, list[IncidentCause]]()
        for one in recipients:
            if not one.wants(INCIDENT.name):
                continue
            scope = scope_of(one.person, Right.ACT)
            if scope not in seen:
                seen[scope] = incidents_of(queries.count_lines(conn, scope), forgotten.summary(conn, scope))
            for trouble in own:
                yield from self._incident(conn, one, trouble, Reach())
            for trouble in seen[scope]:
                yield from self._incident(conn, one, trouble, Reach(units=scope.units))

    def _incident(self, conn: Connection, one: Recipient, trouble: IncidentCause, reach: Reach) -> Iterable[Notice]:
        """The notice of an incident that has begun or ended, once it has been so for a while."""
        key = one.person.name, trouble.name
        is_on, since = self._since.get(key, (trouble.is_on, monotonic()))
        if is_on is not trouble.is_on:
            since = monotonic()
        self._since[key] = trouble.is_on, since
        told = Incident.last(MAILING.notices.latest(conn, one.person.name, INCIDENT.name, f"{trouble.name} "))
        if trouble.is_on is told.is_on or monotonic() - since < self.lasts:
            return
        say = translations(one.language).gettext
        what = say(trouble.what) % trouble.values
        title = (say(N_("Incident: %(what)s")) if trouble.is_on else say(N_("Over: %(what)s"))) % {"what": what}
        rows = (say(trouble.advice),) if trouble.is_on else ()
        passage = Passage(head=plain(title), rows=tuple(map(plain, rows)), link=f"{self.pages}/" if self.pages else "")
        text = NoticeText(title=plain(title, MAX_TITLE), passages=(passage,))
        yield Notice(one.person.name, INCIDENT.name, f"{trouble.name} {told.following()}", reach, text)

    def _digests(self, conn: Connection, recipients: Sequence[Recipient], now_ms: int) -> Iterable[Notice]:
        day = digest_day(self.calendar, self.digest_minute, now_ms)
        if day is None:
            return
        told: Mapping[str, str] = {"day": day.isoformat()}
        for one in recipients:
            if not one.wants(DIGEST.name):
                continue
            for subject in MAILING.notices.untold(conn, one.person.name, DIGEST.name, [""], **told):
                scope = scope_of(one.person, Right.ACT)
                at = DigestView(conn, scope, translations(one.language).gettext, now_ms, self.pages)
                text = _digest(at, f"{day:%d/%m/%Y}")
                yield Notice(one.person.name, DIGEST.name, subject, Reach(units=scope.units), text, **told)


def _digest(at: DigestView, day: str) -> NoticeText | None:
    passages = tuple(passage for part in DIGEST_PARTS if (passage := part(at)) is not None)
    title = at.say(N_("What needs attention on %(day)s")) % {"day": day}
    return NoticeText(title=plain(title, MAX_TITLE), passages=passages) if passages else None


def _why(language: str, item: StoppedDelivery) -> str:
    """Why it stopped, by its code where it has one."""
    code = known_code(item.code)
    if code is None:
        return item.reason
    told = WORDS[code]
    return told.en if language == ENGLISH else told.vi
