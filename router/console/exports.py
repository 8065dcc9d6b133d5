"""Lists as files for spreadsheet programs: in the words of the page, in one zone that the header names, no formulas."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection

from router.console.access import Viewer
from router.console.pages import coded, preferences_of
from router.console.reads import change
from router.faces import Services
from router.ledger.engine import reading
from router.ledger.people import audit
from router.ledger.people.audit import Act, AuditEntry
from router.pages.language import N_, translations
from router.pages.spreadsheet import BOM, Separator, lines
from router.words import terms
from schemas.clock import now_ms, to_ms
from schemas.states import Status

AT_ONCE = 1000
"""Rows of a page that is read by itself."""
Row = TypeVar("Row")
_SEPARATORS = {"comma": Separator.COMMA, "semicolon": Separator.SEMICOLON}
COLUMNS = (
    *(N_("Unit's name"), N_("Issuer's name"), N_("Line's state"), N_("Document's id"), N_("Delivery's id")),
    *(N_("In this state since"), N_("Arrival number"), N_("Successor"), N_("Down for (s)"), N_("Observed for (s)")),
    N_("Taken care of since"),
    *(N_("What was set"), N_("Place in the log"), N_("Effect"), N_("Attempts")),
)
"""Names of columns that stand on no page."""


@dataclass(frozen=True, slots=True)
class CellWriter:
    """Writes what stands in cells, for one language and zone; ``separator`` stands between them."""

    language: str
    services: Services
    separator: Separator

    def say(self, message: str) -> str:
        """A word of the console in the language."""
        return translations(self.language).gettext(message)

    def at(self, ms: int | None) -> str:
        """A moment in the installation's zone, whose name stands in the header; empty: there is none."""
        return "" if ms is None else f"{datetime.fromtimestamp(ms / 1000, self.services.zone):%Y-%m-%d %H:%M:%S}"

    def told(self, at: str) -> str:
        """A moment as a receipt's teller wrote it (RFC 3339), in the installation's zone."""
        return self.at(to_ms(datetime.fromisoformat(at)))

    def timed(self, message: str) -> str:
        """The name of a column of times."""
        return f"{self.say(message)} ({self.services.timezone})"

    def name(self, code: str) -> str:
        """A unit's name."""
        known = self.services.organisation.directory.get(code)
        return known.name if known else ""

    def state(self, status: Status) -> str:
        """A state in words."""
        return self.say(terms.STATES[status].label)

    def urgency(self, degree: int) -> str:
        """An urgency in words."""
        return self.say(terms.URGENCIES[degree].label)

    def cause(self, code: str) -> str:
        """What a reason's code means; empty: it has none."""
        return coded(self.language, code)[0]

    def reason(self, text: str, code: str) -> str:
        """A reason in words where it has a code, with the text that came with it; else the text alone."""
        meant = self.cause(code)
        return text if not meant else meant if text in {"", code} else f"{meant} ({text})"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A list to export: its name in the file's, its columns and its rows."""

    name: str
    columns: Sequence[str]
    rows: Iterable[Sequence[object]]


def writer_for(request: Request, services: Services) -> CellWriter:
    """The writer of cells for the person who asks."""
    preferences = preferences_of(request)
    return CellWriter(preferences.language, services, _SEPARATORS[preferences.separator])


async def note(services: Services, viewer: Viewer, what: str) -> None:
    """Record that somebody exports a list."""
    entry = AuditEntry(now_ms(), viewer.person.name, Act.EXPORTED, what, viewer.person.home, address=viewer.address)
    await change(services, lambda conn: audit.record(conn, entry))


async def send(write: CellWriter, viewer: Viewer, sheet: Sheet, asked: str = "") -> Response:
    """A list as a CSV file; that it was taken is in the audit log."""
    await note(write.services, viewer, f"{sheet.name} csv {asked}".strip())
    headers = {"content-disposition": f'attachment; filename="congvan-{sheet.name}-{now_ms()}.csv"'}
    return StreamingResponse(_csv(sheet, write.separator), media_type="text/csv; charset=utf-8", headers=headers)


def pages(
    services: Services, read: Callable[[Connection, Row | None], Sequence[Row]], size: int = AT_ONCE
) -> Iterator[Row]:
    """The rows of a list that is read in pages, each by itself, so that a slow caller holds no transaction.

    Args:
        services: the console's parts.
        read: gives the page after a row; None: the first one.
        size: rows of a full page: a shorter one is the last.
    """
    last: Row | None = None
    while True:
        with reading(services.engine) as conn:
            found = read(conn, last)
        yield from found
        if len(found) < size:
            return
        last = found[-1]


def _csv(sheet: Sheet, separator: Separator) -> Iterator[str]:
    yield BOM + lines([sheet.columns], separator)
    some: list[Sequence[object]] = []
    for row in sheet.rows:
        some.append(row)
        if len(some) == AT_ONCE:
            yield lines(some, separator)
            some = []
    if some:
        yield lines(some, separator)
