"""What the router gives a gateway that has lost its books: the copy that it left, its units, what they said.

A piece goes on at the byte where its line broke: what came is kept beside the spool until the books are back, so a
command that is killed or gives up is simply run again.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, TypeVar

import aiohttp
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from consumers.copies.handover import copies_url
from consumers.copies.standing import copies_dir
from consumers.copies.told import ToldDelivery
from consumers.errors import CopyError
from consumers.fetching.answers import foreign, is_problem
from consumers.fetching.origin import open_http
from consumers.settings import GatewaySettings
from consumers.taking.hosting import units_url
from router.broker.backoff import Backoff
from router.tls.contexts import ClientContext
from router.tls.troubles import trouble_of
from schemas.attachment import Sha256
from schemas.codes import UnitCode
from schemas.copies import MAX_CHAINS, MAX_PIECE_BYTES, MAX_PIECES
from schemas.ids import Id

T = TypeVar("T")
TRIES = 8
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before a broken line is tried again; what was got by then counts the tries anew."""
_CHUNK = 64 * 1024
_SHOWN = 500
_PAGE = 100


class KeptPiece(BaseModel):
    """A piece that the router has."""

    number: Annotated[int, Field(ge=0, lt=MAX_PIECES)]
    sha256: Sha256
    size: Annotated[int, Field(ge=1, le=MAX_PIECE_BYTES)]


class KeptChain(BaseModel):
    """A chain that the router has."""

    chain: Id
    spool_id: Id
    at: str
    pieces: Annotated[list[KeptPiece], Field(min_length=1, max_length=MAX_PIECES)]


class _ListedUnit(BaseModel):
    code: UnitCode


class _Page(BaseModel):
    items: list[ToldDelivery]
    next: int | None


_CHAINS = TypeAdapter(Annotated[list[KeptChain], Field(max_length=2 * MAX_CHAINS)])
_UNITS = TypeAdapter(list[_ListedUnit])
_PAGES = TypeAdapter(_Page)


class CopyOrigin:
    """The router, asked by a command that restores.

    Args:
        http: with the gateway's token.
        settings: the gateway's.
        first_pause: seconds before a broken line is tried again.
    """

    def __init__(
        self, http: aiohttp.ClientSession, settings: GatewaySettings, *, first_pause: float = FIRST_PAUSE
    ) -> None:
        self._http = http
        self._settings = settings
        self._first_pause = first_pause

    async def units(self) -> list[str]:
        """The units that the gateway hosts.

        Raises:
            CopyError: the router does not answer, or refuses.
        """
        url = units_url(self._settings.origin_url)
        listed = _read(_UNITS, await self._get(url, {"within": self._settings.units}), url)
        return [unit.code for unit in listed]

    async def chains(self) -> list[KeptChain]:
        """The copies that the router has of this gateway's books, the newest first. Raises as :meth:`units`."""
        url = copies_url(self._settings.origin_url)
        return _read(_CHAINS, await self._get(url, {}), url)

    async def told(self, unit: str, since: int) -> list[ToldDelivery]:
        """What the ledger has of a unit's deliveries and receipts since a time (UTC ms). Raises as :meth:`units`."""
        url = f"{units_url(self._settings.origin_url)}/{unit}/deliveries"
        found: list[ToldDelivery] = []
        after: int | None = 0
        while after is not None:
            page = _read(_PAGES, await self._get(url, {"after": after, "since": since, "limit": _PAGE}), url)
            found += page.items
            after = page.next
        return found

    async def piece(self, chain: KeptChain, piece: KeptPiece) -> bytes:
        """The bytes of a piece, from the disk as far as they have come already.

        Raises:
            CopyError: the line stays broken, or what came is damaged.
        """
        directory = copies_dir(self._settings.data_dir)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = directory / f"{piece.sha256}.part"
        url = f"{copies_url(self._settings.origin_url)}/{chain.chain}/{piece.number}"
        await self._patiently(lambda: self._go_on(url, part, piece.size), reached=lambda: _size(part))
        data = await asyncio.to_thread(part.read_bytes)
        if hashlib.sha256(data).hexdigest() != piece.sha256:
            part.unlink()
            raise CopyError(f"piece {piece.number} of the copy came damaged; run the command again")
        return data

    def forget(self, chain: KeptChain) -> None:
        """Remove what came of a chain: the books are back."""
        for piece in chain.pieces:
            (copies_dir(self._settings.data_dir) / f"{piece.sha256}.part").unlink(missing_ok=True)

    async def _go_on(self, url: str, part: Path, size: int) -> None:
        have = _size(part)
        if have >= size:
            return
        headers = {"Range": f"bytes={have}-"} if have else {}
        async with self._http.get(url, headers=headers, allow_redirects=False) as answer:
            await _require(answer, HTTPStatus.PARTIAL_CONTENT if have else HTTPStatus.OK)
            with part.open("ab") as file:
                async for chunk in answer.content.iter_chunked(_CHUNK):
                    file.write(chunk[: size - file.tell()])
        if _size(part) < size:
            raise aiohttp.ClientPayloadError("the answer ended early")

    async def _get(self, url: str, params: dict[str, str | int]) -> bytes:
        async def ask() -> bytes:
            async with self._http.get(url, params=params, allow_redirects=False) as answer:
                await _require(answer, HTTPStatus.OK)
                return await answer.read()

        return await self._patiently(ask)

    async def _patiently(self, act: Callable[[], Awaitable[T]], *, reached: Callable[[], int] = lambda: 0) -> T:
        """Do something that the line may break off; tries without any progress are counted."""
        pauses, tries = Backoff(self._first_pause, LONGEST_PAUSE), 0
        while True:
            before = reached()
            try:
                return await act()
            except (aiohttp.ClientError, TimeoutError, OSError, _LaterError) as error:
                if (trouble := trouble_of(error)) is not None:
                    raise CopyError(f"{trouble.text}; {trouble.advice}") from error
                if reached() > before:
                    pauses, tries = Backoff(self._first_pause, LONGEST_PAUSE), 0
                tries += 1
                if tries >= TRIES:
                    raise CopyError(
                        f"{self._settings.origin_url} does not give it: {error or type(error).__name__}; is the line "
                        "up? Run the command again: it goes on where it was"
                    ) from error
                await asyncio.sleep(pauses.pause())


class _LaterError(Exception):
    """The router cannot answer now, or something else answered."""


@asynccontextmanager
async def copy_origin(settings: GatewaySettings, *, first_pause: float = FIRST_PAUSE) -> AsyncIterator[CopyOrigin]:
    """The router of the settings, with the gateway's token.

    Raises:
        CopyError: the settings name no token, or no units.
    """
    token = settings.token.get_secret_value()
    if not token or not settings.units:
        raise CopyError("to ask the router, units and token of the gateway are needed: CONGVAN_GATEWAY_UNITS, …_TOKEN")
    tls = ClientContext(settings.tls_files, to="router")
    async with open_http(token=token, no_progress=settings.no_progress_timeout, window=0, tls=tls) as http:
        yield CopyOrigin(http, settings, first_pause=first_pause)


async def _require(answer: aiohttp.ClientResponse, expected: int) -> None:
    """Go on with what was asked for.

    Raises:
        CopyError: the router refuses for good.
    """
    if answer.status == expected:
        return
    ours = is_problem(answer.headers)
    if not ours:
        raise _LaterError(foreign(answer.status, answer.headers))
    said = (await answer.read())[:_SHOWN].decode(errors="replace")
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise _LaterError(f"the router answered {answer.status}: {said}")
    raise CopyError(f"the router refuses ({answer.status}): {said}")


def _read(form: TypeAdapter[T], body: bytes, url: str) -> T:
    try:
        return form.validate_json(body)
    except ValidationError as error:
        raise CopyError(f"{url} gave no list that can be read: {error.error_count()} errors") from error


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
