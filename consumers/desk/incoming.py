"""Văn bản đến: the documents of the units, by filters that stand in the address, page by page."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import Connection

from consumers.desk.access import DeskViewer, Looking, Parts
from consumers.desk.asked import AskedDay, AskedPlace
from consumers.desk.pages import page
from consumers.desk.services import DeskServices
from consumers.desk.words import DUES, STATES, URGENCIES
from consumers.reading import desk_lists
from consumers.reading.desk_filters import GENERAL, Need, WantedDocuments
from consumers.spool import book_entries
from consumers.spool.people import DeskRight, holders
from consumers.spool.units import names_of
from router.pages.language import N_
from schemas.clock import now_ms, to_ms
from schemas.dispatch import Urgency
from schemas.register import BookKind
from schemas.states import Status
from schemas.text import OneLine

AT_ONCE = 50
"""Documents on one page."""
router = APIRouter()
Short = Annotated[OneLine, Query(max_length=100)]


class DueWhen(StrEnum):
    """By when something should be done."""

    OVERDUE = "overdue"
    TODAY = "today"
    WEEK = "week"


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address says; each is a token that can be taken away."""

    services: DeskServices
    viewer: DeskViewer
    given: dict[str, Any]

    @property
    def asked(self) -> dict[str, str]:
        """As the address has them; empty: it says nothing of that."""
        return {name: "" if value is None else str(value) for name, value in self.given.items()}

    @property
    def wanted(self) -> WantedDocuments:
        """The documents that fit."""
        units, told = self.viewer.units(), self.given
        chosen = units.only(told["unit"]) if told["unit"] in units else units
        return WantedDocuments(
            chosen,
            need=told["need"],
            words=told["q"],
            state=told["state"],
            urgency=told["urgency"],
            issuer=told["issuer"],
            type=told["type"],
            book=told["book"],
            lead=told["lead"],
            due_before=self._due_before(),
            since=self._begin(told["from"]),
            until=self._begin(told["to"], days=1),
        )

    def tokens(self, leads: dict[str, str]) -> Iterator[tuple[str, str, str, bool]]:
        """Name, label, value, and whether the value is to be translated, of each filter beside words and need."""
        told = self.given
        values = {
            "unit": (told["unit"], False),
            "state": (told["state"] and STATES[told["state"]].label, True),
            "urgency": (None if told["urgency"] is None else URGENCIES[told["urgency"]], True),
            "issuer": (told["issuer"], False),
            "type": (told["type"], False),
            "book": (N_("general") if told["book"] == GENERAL else told["book"], told["book"] == GENERAL),
            "lead": (leads.get(told["lead"], told["lead"]), False),
            "due": (told["due"] and DUES[told["due"].value], True),
            "from": (told["from"] and f"{told['from']:%d/%m/%Y}", False),
            "to": (told["to"] and f"{told['to']:%d/%m/%Y}", False),
        }
        for name, (value, translated) in values.items():
            if value:
                yield name, _LABELS[name], value, translated

    def _begin(self, day: Any, *, days: int = 0) -> int | None:
        if day is None:
            return None
        return to_ms(datetime.combine(day + timedelta(days=days), time(), self.services.zone))

    def _due_before(self) -> int | None:
        due, today = self.given["due"], self.services.today
        if due is None:
            return None
        return now_ms() if due is DueWhen.OVERDUE else self._begin(today, days=7 if due is DueWhen.WEEK else 1)


_LABELS = {
    "unit": N_("Unit"),
    "state": N_("State"),
    "urgency": N_("Urgency from"),
    "issuer": N_("Issuer"),
    "type": N_("Type"),
    "book": N_("Book"),
    "lead": N_("Leads"),
    "due": N_("Due"),
    "from": N_("Came from"),
    "to": N_("Came until"),
}


async def filters_of(
    *,
    services: Parts,
    viewer: Looking,
    need: Need | None = None,
    q: Annotated[str, Query(max_length=200)] = "",
    unit: Short = "",
    state: Annotated[Status | Literal[""], Query()] = "",
    urgency: Annotated[Literal["", "1", "2", "3", "4"], Query()] = "",
    issuer: Short = "",
    type: Annotated[OneLine, Query(max_length=200)] = "",  # noqa: A002 - the field's name
    book: Annotated[OneLine, Query(max_length=50)] = "",
    lead: Annotated[str, Query(max_length=64)] = "",
    due: Annotated[DueWhen | Literal[""], Query()] = "",
    since: Annotated[AskedDay | Literal[""], Query(alias="from")] = "",
    to: Annotated[AskedDay | Literal[""], Query()] = "",
) -> Filters:
    """The filters of an address; a form leaves empty what says nothing."""
    degree = Urgency(int(urgency)) if urgency else None
    given: dict[str, Any] = {
        "need": need,
        "q": q,
        "unit": unit,
        "state": state or None,
        "urgency": degree,
        "issuer": issuer,
    }
    given |= {"type": type, "book": book, "lead": lead, "due": due or None, "from": since or None, "to": to or None}
    return Filters(services, viewer, given)


Filtered = Annotated[Filters, Depends(filters_of)]


@router.get("/incoming")
async def show_incoming(
    *,
    request: Request,
    services: Parts,
    viewer: Looking,
    filters: Filtered,
    before: AskedPlace = 0,
) -> Response:
    """A page of them, newest first."""
    return await incoming_page(request, services, viewer, filters, before=before)


async def incoming_page(
    request: Request,
    services: DeskServices,
    viewer: DeskViewer,
    filters: Filters,
    *,
    before: int = 0,
    problem: str = "",
    status: int = 200,
) -> Response:
    """The page, with what is wrong with a form that was sent from it."""
    wanted = filters.wanted

    def read(conn: Connection) -> dict[str, Any]:
        rows = desk_lists.find(conn, wanted, before=before, limit=AT_ONCE + 1)
        older = rows[AT_ONCE - 1].pos if len(rows) > AT_ONCE else 0
        leads = {card.login: card.full_name for unit in wanted.units for card in holders(conn, unit, DeskRight.PROCESS)}
        books = [item.key.name for item in book_entries.books(conn, wanted.units) if item.key.kind is BookKind.INCOMING]
        return {
            "rows": rows[:AT_ONCE],
            "older": older,
            "before": before,
            "counts": desk_lists.count(conn, wanted.units),
            "names": names_of(conn, {code for row in rows for code in (row.entry.unit, row.entry.issuer)}),
            "leads": leads,
            "books": sorted({name for name in books if name}),
            "tokens": list(filters.tokens(leads)),
        }

    found = await services.look(read)
    found |= {"asked": filters.asked, "units": viewer.units(), "needs": Need, "general": GENERAL}
    return page(
        request,
        viewer,
        "incoming.html",
        status=status,
        problem=problem,
        terms=services.terms,
        now=now_ms(),
        may_register=viewer.may(DeskRight.REGISTER),
        **found,
    )
