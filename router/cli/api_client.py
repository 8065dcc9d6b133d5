"""The web API as the commands call it: with their token, again when the connection fails, its problems as errors."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self, TypeVar

import typer
from aiohttp import (
    ClientConnectionError,
    ClientPayloadError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    FormData,
    TCPConnector,
)
from tenacity import RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential
from tenacity.asyncio import AsyncRetrying

from router.errors import ToldProblemError
from router.settings import RouterSettings
from router.tls.contexts import ClientContext
from router.tls.troubles import TlsTrouble, trouble_of
from schemas.errors import FieldProblem

T = TypeVar("T")


class ApiUntrustedError(Exception):
    """A certificate, ours or the web API's, stands in the way; the message says which, and ``hint`` what to do."""

    exit_code = 5

    def __init__(self, trouble: TlsTrouble) -> None:
        super().__init__(trouble.text)
        self.hint = trouble.advice


ATTEMPTS = 5
_LONGEST_PAUSE = 5.0
_CONNECTS_WITHIN = 10.0
_ANSWERS_WITHIN = 90.0
_PASSING = {
    HTTPStatus.REQUEST_TIMEOUT,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
_CONNECTION_ERRORS = (ClientConnectionError, ClientPayloadError, TimeoutError)


class ApiClient:
    """Calls the API; every call may be made again, so it has to be one that does no harm twice.

    Args:
        settings: where the API is, and the token.
        sends: take the token that dispatches are sent with, where there is one of its own.

    Raises:
        typer.BadParameter: no token is set.
    """

    def __init__(self, settings: RouterSettings, *, sends: bool = False) -> None:
        own = settings.issuer_token.get_secret_value() if sends else ""
        token = own or settings.token.get_secret_value()
        if not token:
            raise typer.BadParameter("no token is set; put one made by `congvan token create` in CONGVAN_TOKEN")
        self._http = ClientSession(
            settings.api_url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=ClientTimeout(total=None, sock_connect=_CONNECTS_WITHIN, sock_read=_ANSWERS_WITHIN),
            connector=TCPConnector(ssl=ClientContext(settings.tls_files)),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def get(self, path: str) -> dict[str, Any]:
        """What lies at a path.

        Raises:
            ToldProblemError: the API's answer is a problem.
            ClientConnectionError: it cannot be reached.
        """

        async def call() -> dict[str, Any]:
            async with self._http.get(path) as answer:
                return await _read(answer)

        return await _persistently(call)

    async def submit(self, form: Callable[[], AbstractContextManager[FormData]], *, key: str = "") -> dict[str, Any]:
        """Hand in a dispatch with its files.

        Args:
            form: opens the form anew for each attempt, its files at their beginning.
            key: the idempotency key; empty: the content is the key. Either way a repeated call does no harm.

        Raises:
            ToldProblemError: the API's answer is a problem.
            ClientConnectionError: it cannot be reached.
        """
        return await self._post("/api/v1/dispatches", form, {"Idempotency-Key": key} if key else {})

    async def plan(self, form: Callable[[], AbstractContextManager[FormData]]) -> dict[str, Any]:
        """What a dispatch would come to; the arguments and errors are those of :meth:`submit`."""
        return await self._post("/api/v1/dispatches/plan", form, {})

    async def _post(
        self, path: str, form: Callable[[], AbstractContextManager[FormData]], headers: dict[str, str]
    ) -> dict[str, Any]:
        async def call() -> dict[str, Any]:
            with form() as data:
                async with self._http.post(path, data=data, headers=headers) as answer:
                    return await _read(answer)

        return await _persistently(call)


async def _persistently(call: Callable[[], Awaitable[T]]) -> T:
    retrying = AsyncRetrying(
        retry=retry_if_exception(_is_passing),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random_exponential(max=_LONGEST_PAUSE),
        sleep=asyncio.sleep,
        before_sleep=_say_so,
        reraise=True,
    )
    try:
        return await retrying(call)
    except ClientConnectionError as error:
        trouble = trouble_of(error)
        if trouble is None:
            raise
        raise ApiUntrustedError(trouble) from error


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, ToldProblemError):
        return error.status in _PASSING
    if trouble_of(error) is not None:
        return False  # a person has to mend it
    return isinstance(error, _CONNECTION_ERRORS)


def _say_so(state: RetryCallState) -> None:
    error = state.outcome and state.outcome.exception()
    print(f"congvan: {error}; trying again ({state.attempt_number}/{ATTEMPTS - 1})", file=sys.stderr)


async def _read(answer: ClientResponse) -> dict[str, Any]:
    text = await answer.text()
    if answer.ok:
        found: dict[str, Any] = json.loads(text)
        return found
    raise _problem(answer.status, answer.reason or "", text)


def _problem(status: int, reason: str, text: str) -> ToldProblemError:
    """The problem document, or what a proxy on the way said instead of one."""
    try:
        said = json.loads(text)
        problems = [FieldProblem(item["field"], item["problem"]) for item in said.get("errors", ())]
        return ToldProblemError(
            status, said.get("detail") or said["title"], hint=said.get("hint", ""), problems=problems
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return ToldProblemError(
            status, f"the web API answered {status} {reason}", hint="is CONGVAN_API_URL the router's?"
        )
