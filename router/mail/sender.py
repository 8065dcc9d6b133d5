"""Sends a program's notices: looks for what is to be told, makes e-mails of it, and hands them to the mail server.

Any number of processes may do so over one database: what is found is kept once, and an e-mail is claimed by one of
them. Killed at any instruction, the next one goes on: what was not kept as sent is sent again, as the same e-mail.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from aiosmtplib import SMTP
from sqlalchemy import Connection

from router.broker.backoff import Backoff
from router.mail.errors import MailDelayedError, MailDoubtedError, MailRefusedError, MailServerAwayError
from router.mail.links import STOP, stop_token
from router.mail.message import MailParts, message_of
from router.mail.notices import Notice, NoticeKind, Notices, Reach
from router.mail.outbox import ClaimedMail, MailEnding, Outbox
from router.mail.recipients import Recipient, Recipients
from router.mail.settings import MailSettings
from router.mail.states import MailState
from router.mail.tables import MailTables
from router.mail.transport import connected, hand_over
from router.pages.people import People, Person
from router.process.fate import may_pass
from router.storage.transactions import Transaction, in_thread
from schemas.clock import Clock, now_ms
from schemas.events import Event

log = structlog.get_logger()
_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 60.0
"""Seconds before a server that is away is tried again."""
_FORGET_EVERY_MS = 3_600_000
_MOST_DOUBTED = 5
"""So many refused one after the other, and none taken: the server takes nothing."""


@dataclass(frozen=True, slots=True)
class Mailing:
    """A program's notices.

    Args:
        tables: where they are kept.
        people: who may be told.
        kinds: what can be told.
        may: whether somebody may be told of a kind, and of all that it reaches.
        name_of: how somebody is called; empty: not known.
    """

    tables: MailTables
    people: People
    kinds: tuple[NoticeKind, ...]
    may: Callable[[Person, str, Reach], bool]
    name_of: Callable[[Connection, str], str] = lambda _conn, _login: ""

    @property
    def recipients(self) -> Recipients:
        """Who is told."""
        return Recipients(self.tables, self.people)

    @property
    def notices(self) -> Notices:
        """What is told."""
        return Notices(self.tables)

    def kind(self, name: str) -> NoticeKind | None:
        """One of the kinds; None: it is none any more."""
        return next((kind for kind in self.kinds if kind.name == name), None)

    def offered(self, person: Person) -> list[NoticeKind]:
        """What somebody can choose from."""
        return [kind for kind in self.kinds if self.may(person, kind.name, Reach())]

    def outbox(self, settings: MailSettings) -> Outbox:
        """The e-mails, as the settings say."""
        window = round(settings.group_seconds * 1000)
        grouped = {kind.name: window for kind in self.kinds if kind.is_grouped}
        return Outbox(self.tables, attempts=settings.attempts, grouped=grouped)


class NoticeSource(Protocol):
    """What a program has to tell."""

    def find(self, conn: Connection, recipients: Sequence[Recipient], *, now_ms: int) -> list[Notice]:
        """What has to be told now and was not, in a transaction that reads."""
        ...


class MailSender:
    """One sender.

    Args:
        settings: where the mail server is.
        mailing: the program's notices.
        source: finds them.
        reading: a transaction of the program's database that reads.
        writing: one that writes.
        pages: where the program's pages are found by browsers; empty: not known.
        on_ended: told of every try, for metrics.
        clock: the present.
    """

    def __init__(
        self,
        settings: MailSettings,
        mailing: Mailing,
        source: NoticeSource,
        *,
        reading: Transaction,
        writing: Transaction,
        pages: str = "",
        on_ended: Callable[[MailState], None] = lambda _state: None,
        clock: Clock = now_ms,
    ) -> None:
        self._settings, self._mailing, self._source = settings, mailing, source
        self._reading, self._writing = reading, writing
        self._pages, self._on_ended, self._clock = pages, on_ended, clock
        self._outbox, self._recipients = mailing.outbox(settings), mailing.recipients
        self._forgot_at = 0

    async def run(self, every: float) -> None:
        """Until cancelled, look every so many seconds; a server or a database that is away is waited for.

        A fault of ours is told and tried again, too: nothing else needs e-mail, so it must not end with it.
        """
        pauses = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            try:
                await self.round()
            except Exception as error:
                pause = pauses.pause()
                if may_pass(error):
                    log.warning(Event.MAIL_WAITS, error=str(error), retry_in=round(pause, 1))
                else:
                    log.exception(Event.MAIL_FAILED_UNEXPECTEDLY, retry_in=round(pause, 1))
            else:
                pauses.reset()
                pause = every
            _end_if_cancelled()
            await asyncio.sleep(pause)

    async def round(self) -> None:
        """Look once, and send all that is due.

        Raises:
            MailServerAwayError: the server takes nothing now; what waits stays.
        """
        await self._forget()
        found, has_work = await in_thread(self._reading, self._look)
        if found or has_work:
            given_up = await in_thread(self._writing, lambda conn: self._keep(conn, found))
            for kind in given_up:
                self._on_ended(MailState.GIVEN_UP)
                log.warning(Event.MAIL_ENDED, kind=kind, state=MailState.GIVEN_UP.value)
            await self._send_all()

    def _look(self, conn: Connection) -> tuple[list[Notice], bool]:
        now, recipients = self._clock(), self._recipients.all(conn)
        found = self._source.find(conn, recipients, now_ms=now) if recipients else []
        return found, self._outbox.has_work(conn, now_ms=now)

    def _keep(self, conn: Connection, found: list[Notice]) -> list[str]:
        """Keep what was found and make e-mails of what waits; the kinds of those that are given up."""
        now = self._clock()
        self._outbox.notices.keep(conn, found, now_ms=now)
        self._outbox.gather(conn, now_ms=now)
        return self._outbox.give_up(conn, now_ms=now)

    async def _send_all(self) -> None:
        """Send what is due over one connection, which is made when there is something.

        Whether a refusal is the e-mail's own fault may be seen only by what others get: where one is taken, it was;
        where none is, the server takes nothing, and that costs none of them a try.
        """
        if not await in_thread(self._reading, lambda conn: self._outbox.has_due(conn, now_ms=self._clock())):
            return
        doubted: list[tuple[ClaimedMail, MailEnding]] = []
        try:
            async with connected(self._settings) as client:
                takes = False
                while (
                    client.is_connected and len(doubted) < _MOST_DOUBTED and (mail := await self._claim()) is not None
                ):
                    try:
                        takes = await self._send(client, mail) or takes
                    except MailDoubtedError as doubt:
                        doubted.append((mail, _ending_of(doubt)))
                    while takes and doubted:
                        await self._finish(*doubted.pop())
            if doubted:
                raise MailServerAwayError(f"the mail server takes nothing from us: {doubted[0][1].error}")
        finally:
            for waiting, ending in doubted:
                await self._release(waiting, ending.error)

    async def _claim(self) -> ClaimedMail | None:
        return await in_thread(self._writing, lambda conn: self._outbox.claim(conn, now_ms=self._clock()))

    async def _release(self, mail: ClaimedMail, why: str = "") -> None:
        await in_thread(self._writing, lambda conn: self._outbox.release(conn, mail, now_ms=self._clock(), why=why))

    async def _send(self, client: SMTP, mail: ClaimedMail) -> bool:
        """Try an e-mail once; whether the server took it.

        Raises:
            MailServerAwayError: it takes nothing now.
            MailDoubtedError: it does not take this one, maybe none.
        """
        ending = await self._tried(client, mail)
        await self._finish(mail, ending)
        return ending.state is MailState.SENT

    async def _finish(self, mail: ClaimedMail, ending: MailEnding) -> None:
        state = await in_thread(self._writing, lambda conn: self._outbox.end(conn, mail, ending, now_ms=self._clock()))
        self._on_ended(state)
        write = log.info if state in {MailState.SENT, MailState.DROPPED} else log.warning
        write(Event.MAIL_ENDED, mail=mail.id, kind=mail.kind, state=state.value, tries=mail.attempts, why=ending.error)

    async def _tried(self, client: SMTP, mail: ClaimedMail) -> MailEnding:
        """What comes of a try; whatever is wrong with one e-mail alone is its own, and the others go on."""
        try:
            parts = await in_thread(self._reading, lambda conn: self._parts(conn, mail))
            if parts is None:
                return MailEnding(MailState.DROPPED, "its person may not have it any more, or does not want it")
            await hand_over(client, message_of(parts), parts.sender, parts.address)
        except (MailDelayedError, MailRefusedError) as error:
            return _ending_of(error)
        except MailDoubtedError:
            raise
        except (MailServerAwayError, asyncio.CancelledError) as error:
            await self._release(mail, str(error))
            raise
        except Exception as error:
            if may_pass(error):
                raise
            log.exception(Event.MAIL_FAILED_UNEXPECTEDLY, mail=mail.id, kind=mail.kind)
            return MailEnding(MailState.WAITING, f"{type(error).__name__}: {error}", later=True)
        return MailEnding(MailState.SENT)

    def _parts(self, conn: Connection, mail: ClaimedMail) -> MailParts | None:
        """What the e-mail is made of, as far as its person may have it and wants it now; None: nothing of it."""
        to, kind = self._recipients.find(conn, mail.person), self._mailing.kind(mail.kind)
        if to is None or kind is None or mail.kind in to.stopped:
            return None
        told = self._outbox.told_in(conn, mail.id)
        notices = [text for reach, text in told if self._mailing.may(to.person, mail.kind, reach)]
        if not notices:
            return None
        links = {}
        if self._pages:
            stop = f"{self._pages}{STOP}?token={stop_token(to, mail.kind)}"
            links = {"choices": f"{self._pages}/notices", "stop": stop}
        return MailParts(
            id=mail.id,
            sender=self._settings.sender,
            address=to.address,
            name=self._mailing.name_of(conn, mail.person),
            language=to.language,
            label=kind.label,
            made_at=mail.created_at,
            notices=notices,
            **links,
        )

    async def _forget(self) -> None:
        """Now and then, note the day and forget what was told long ago."""
        now = self._clock()
        if abs(now - self._forgot_at) < _FORGET_EVERY_MS:
            return
        await in_thread(self._writing, lambda conn: self._outbox.note_day(conn, now_ms=now))
        while await in_thread(self._writing, lambda conn: self._outbox.forget(conn, days=self._settings.days_kept)):
            pass
        self._forgot_at = now


def _end_if_cancelled() -> None:
    """Go on only when nobody has ended this task: Python 3.11's ``wait_for``, which reads the answers, may lose it."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _ending_of(error: MailDelayedError | MailRefusedError | MailDoubtedError) -> MailEnding:
    """What becomes of an e-mail that was refused by its own fault."""
    if isinstance(error, MailRefusedError) or (isinstance(error, MailDoubtedError) and error.lasts):
        return MailEnding(MailState.REFUSED, str(error))
    return MailEnding(MailState.WAITING, str(error), later=True)
