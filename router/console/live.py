"""The live log: rows as server-sent events, so that a client that was cut goes on from the last that it got.

One reader per process reads the log's end for all clients; a row is made once for all who want it. The id of an event
names everything that its client has by then, so after a cut it gets what it missed, each row once.
"""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from sqlalchemy import Connection

from router.console.access import FilterText, Parts, Viewer, Watching
from router.console.newsroom import ClientView, Newsroom, Watcher
from router.console.pages import preferences_of
from router.console.reads import look
from router.errors import LedgerUnavailableError, MalformedError
from router.faces import Services
from router.ledger.queries import log_tail
from router.ledger.queries.log_tail import Missed
from router.rules.number_ranges import Received
from router.words.filters import FilterError, parse
from schemas.clock import now_ms

_AT_LEAST_EVERY = 2.0
"""Seconds between two signs of life; a client that has gone is noticed by them."""
_RETRY = b"retry: 2000\n\n"
_MOST_STATE = 1000

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Start:
    """Where a client stands: what it says that it has got, or the place it knows."""

    state: Received | None
    place: int


@router.get("/log/stream")
async def stream_log(
    *,
    request: Request,
    services: Parts,
    viewer: Watching,
    q: FilterText = "",
    after: Annotated[int, Query(ge=0, lt=2**53)] = 0,
    seen: Annotated[str, Query(max_length=_MOST_STATE)] = "",
    last_event_id: Annotated[str, Header(max_length=_MOST_STATE)] = "",
) -> StreamingResponse:
    """Rows of the log after a place, for ever; after a cut the browser says with Last-Event-ID what it has got."""
    try:
        wanted = parse(q, now_ms=now_ms(), zone=services.zone, of_log=True).wanted
    except FilterError as error:
        raise MalformedError(str(error)) from error
    start = Start(log_tail.read_name(last_event_id or seen), after)
    view = ClientView(viewer.scope, wanted, preferences_of(request).language)
    rows = _Rows(request.app.state.newsroom, services, viewer, view)
    headers = {"x-accel-buffering": "no"}  # nginx would collect the events
    return StreamingResponse(rows.events(start), media_type="text/event-stream", headers=headers)


class _Rows:
    """One client's stream."""

    def __init__(self, newsroom: Newsroom, services: Services, viewer: Viewer, view: ClientView) -> None:
        self._newsroom, self._services, self._viewer, self._view = newsroom, services, viewer, view

    async def events(self, start: Start) -> AsyncIterator[bytes]:
        yield _RETRY
        async with self._newsroom.watched(self._viewer.token, self._viewer.person) as watcher:
            if not await self._newsroom.opens():
                return
            has = await self._begin(start)
            await self._newsroom.catches_up(has, _AT_LEAST_EVERY)
            while watcher.is_allowed:
                index, come = self._newsroom.end
                async for part in self._missed(has, come, watcher):
                    yield part
                has = come
                yield self._newsroom.nothing(has)
                while (news := self._newsroom.news(index, self._view)) is not None:
                    yield news.text or self._newsroom.nothing(news.seen)
                    index, has = news.index, news.seen
                    if not await self._newsroom.grows(index, _AT_LEAST_EVERY, watcher):
                        return

    async def _begin(self, start: Start) -> Received:
        """What the client has got."""
        if start.state is not None:
            return start.state
        while self._newsroom.is_open:
            with suppress(LedgerUnavailableError):
                return await look(self._services, lambda conn: log_tail.seen_after(conn, start.place))
            await self._newsroom.rests()
        return Received()

    async def _missed(self, has: Received, come: Received, watcher: Watcher) -> AsyncIterator[bytes]:
        """What came in while the client was away, or too slow for what is kept, page by page."""
        view, after = self._view, None

        def query(conn: Connection) -> Missed:
            return log_tail.missed(conn, view.scope, view.wanted, has=has, come=come, after=after)

        while self._newsroom.is_open and watcher.is_allowed:
            try:
                page = await look(self._services, query)
            except LedgerUnavailableError:
                await self._newsroom.rests()
                continue
            yield b"".join(self._newsroom.event(entry, state, view.language) for entry, state in page.entries)
            after = page.place
            if after is None:
                return
