"""Who calls: a bearer token becomes an account, and a route says which roles it is for."""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from fastapi.security.utils import get_authorization_scheme_param
from sqlalchemy import Engine
from starlette.requests import ClientDisconnect
from starlette.types import Message, Send

from router.errors import ForbiddenError, LedgerUnavailableError, UnauthorizedError
from router.faces import Services
from router.ledger.engine import reading
from router.ledger.people import accounts
from schemas.accounts import Account, Role
from schemas.clock import now_ms

REMEMBERED_SECONDS = 4.0
"""How long a token that was good is taken as good without asking the ledger: the longest a revoked one still works."""
_REMEMBERED_TOKENS = 2000
_MAX_TOKEN_LENGTH = 200

_bearer = HTTPBearer(auto_error=False, description="A token made by `congvan token create`.")


class Authenticator:
    """Finds the account of a token; good answers are remembered for a moment, bad ones never."""

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[Account, float]] = OrderedDict()

    async def account_of(self, token: str) -> Account:
        """The account whose token this is.

        Raises:
            UnauthorizedError: it is nobody's, has expired or was revoked.
            LedgerUnavailableError: the ledger cannot be asked.
        """
        # Remembered by hash: the process's memory holds no token for longer than its request.
        name = hashlib.sha256(token.encode()).digest()
        account, until = self._known.get(name, (None, 0.0))
        if account is None or self._clock() >= until:
            account = await asyncio.to_thread(self._ask, token)
            self._remember(name, account)
        return account

    def _ask(self, token: str) -> Account:
        with reading(self._engine) as conn:
            account = accounts.authenticate(conn, token, now_ms=now_ms())
        if account is None:
            raise UnauthorizedError("the token is unknown, expired or revoked")
        return account

    def _remember(self, name: bytes, account: Account) -> None:
        self._known[name] = (account, self._clock() + REMEMBERED_SECONDS)
        self._known.move_to_end(name)
        while len(self._known) > _REMEMBERED_TOKENS:
            self._known.popitem(last=False)


def services_of(request: Request) -> Services:
    """The parts the app was made over."""
    services: Services = request.app.state.services
    return services


async def account_of(request: Request) -> Account:
    """The account whose bearer token a request carries.

    Raises:
        UnauthorizedError: no token, or no good one.
    """
    scheme, token = get_authorization_scheme_param(request.headers.get("authorization"))
    if scheme.lower() != "bearer" or not token or len(token) > _MAX_TOKEN_LENGTH:
        raise UnauthorizedError("the request carries no bearer token")
    authenticator: Authenticator = request.app.state.authenticator
    account = await authenticator.account_of(token)
    request.state.account = account.name
    return account


def sent_while_good(request: Request, send: Send) -> Send:
    """Send an answer's body as long as the request's token is good: over a thin line a body may take an hour.

    While the ledger does not answer, what was allowed goes on.
    """

    async def checked(message: Message) -> None:
        if message["type"] == "http.response.body" and message.get("more_body"):
            try:
                await account_of(request)
            except UnauthorizedError:
                raise ClientDisconnect from None  # breaks the connection, so that half is not taken for the whole
            except LedgerUnavailableError:
                pass
        await send(message)

    return checked


async def caller_of(
    request: Request, _scheme: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Account:
    """:func:`account_of`, as a dependency that the OpenAPI document shows; nobody who may only watch."""
    account = await account_of(request)
    if account.role is Role.WATCHER:
        raise ForbiddenError(f"{account.name} may see the metrics, and nothing else")
    return account


def one_of(*roles: Role) -> Callable[[Account], Awaitable[Account]]:
    """A dependency: the caller, when it has one of the roles."""

    async def check(account: Annotated[Account, Depends(caller_of)]) -> Account:
        if account.role not in roles:
            wanted = " or ".join(role.value for role in roles)
            raise ForbiddenError(f"{account.name} may not do this; it takes an account of role {wanted}")
        return account

    return check


Parts = Annotated[Services, Depends(services_of)]
Caller = Annotated[Account, Depends(caller_of)]
Operator = Annotated[Account, Depends(one_of(Role.OPERATOR))]
Sender = Annotated[Account, Depends(one_of(Role.ISSUER, Role.OPERATOR))]
Gateway = Annotated[Account, Depends(one_of(Role.GATEWAY))]
Author = Annotated[Account, Depends(one_of(Role.ISSUER, Role.OPERATOR, Role.GATEWAY))]
"""Who may write for a unit: upstream systems, operators, and gateways for the units that they host."""
