"""Asks an OpenID Connect provider: what it offers, its keys, and whom a code stands for."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import orjson
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, encode_basic_auth
from joserfc.errors import JoseError
from joserfc.jwk import KeySet
from pydantic import BaseModel, ValidationError

from router.identity import flow
from router.identity.errors import ProviderDownError, ProviderRefusedError
from router.identity.flow import Begun
from router.identity.tokens import Identity, UnknownKeyError, keys_of, read_id_token
from router.process.bodies import read_within
from router.tls.contexts import ClientContext
from router.tls.troubles import trouble_of

MAX_ANSWER = 256 * 1024
"""Bytes."""
_ANSWERS_WITHIN = ClientTimeout(total=10)
_GOOD_FOR = 3600.0
_KEYS_AT_MOST_EVERY = 30.0
"""Seconds between two looks at the keys, so that nobody can make us ask for them again and again."""
_REFUSED = frozenset({400, 401, 403})
_OK = 200


@dataclass(frozen=True, slots=True)
class ProviderClient:
    """The console as a provider knows it."""

    issuer: str
    client_id: str
    secret: str = ""


class _Offer(BaseModel):
    """What a provider says of itself (OpenID Connect Discovery 3)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    end_session_endpoint: str = ""
    token_endpoint_auth_methods_supported: list[str] = ["client_secret_basic"]


class _Tokens(BaseModel):
    id_token: str


class Provider:
    """One provider, asked when somebody logs in; its offer and keys are kept for an hour.

    Args:
        client: the console's account at it.
        tls: whom to trust; None: whom the system trusts.

    Attributes:
        tls: knows what stands in the way.
    """

    def __init__(self, client: ProviderClient, tls: ClientContext | None = None) -> None:
        self._client = client
        self.tls = tls or ClientContext(to="identity provider")
        self._offer: tuple[float, _Offer] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._lock = asyncio.Lock()

    async def begin(self, begun: Begun, redirect_uri: str) -> str:
        """Where the browser goes on.

        Raises:
            ProviderDownError: the provider does not answer.
        """
        offer = await self._offered()
        way = offer.authorization_endpoint
        return flow.way_to(way, begun, client_id=self._client.client_id, redirect_uri=redirect_uri)

    async def finish(self, code: str, begun: Begun, redirect_uri: str) -> Identity:
        """Whom a code stands for.

        Raises:
            ProviderDownError: the provider does not answer.
            ProviderRefusedError: it does not take the code, or its token does not hold.
        """
        token = await self._exchange(code, begun, redirect_uri)
        client, nonce = self._client, begun.nonce
        for must_be_new in (False, True):
            keys = await self._known_keys(must_be_new=must_be_new)
            try:
                return read_id_token(token, keys, issuer=client.issuer, client_id=client.client_id, nonce=nonce)
            except UnknownKeyError:
                continue
        raise ProviderRefusedError("the ID token is signed by a key that the provider does not have")

    async def require_answer(self) -> None:
        """Ask what is needed before anybody can log in: its offer and its keys.

        Raises:
            ProviderDownError: the provider does not answer, or not as one does.
        """
        await self._known_keys(must_be_new=False)

    async def leave(self, back: str) -> str:
        """Where a browser ends its session at the provider; empty: it offers no such place.

        Raises:
            ProviderDownError: the provider does not answer.
        """
        endpoint = (await self._offered()).end_session_endpoint
        query = urlencode({"client_id": self._client.client_id, "post_logout_redirect_uri": back})
        return endpoint and f"{endpoint}{'&' if '?' in endpoint else '?'}{query}"

    async def _offered(self) -> _Offer:
        async with self._lock:
            if self._offer is None or self._offer[0] < time.monotonic() - _GOOD_FOR:
                url = f"{self._client.issuer.rstrip('/')}/.well-known/openid-configuration"
                try:
                    offer = _Offer.model_validate_json(await self._get(url))
                except ValidationError as error:
                    raise ProviderDownError(f"{url} is no offer of a provider: {error.error_count()} faults") from error
                if offer.issuer != self._client.issuer:
                    raise ProviderDownError(f"{url} is the offer of {offer.issuer!r}, not of {self._client.issuer!r}")
                self._offer = time.monotonic(), offer
            return self._offer[1]

    async def _known_keys(self, *, must_be_new: bool) -> KeySet:
        """The provider's keys; a key that is not known may be one that it signs with since a moment ago."""
        offer = await self._offered()
        async with self._lock:
            age = _GOOD_FOR if self._keys is None else time.monotonic() - self._keys[0]
            if self._keys is None or age >= _GOOD_FOR or (must_be_new and age >= _KEYS_AT_MOST_EVERY):
                try:
                    keys = keys_of(orjson.loads(await self._get(offer.jwks_uri)))
                except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
                    raise ProviderDownError(f"{offer.jwks_uri} holds no keys: {error}") from error
                self._keys = time.monotonic(), keys
            return self._keys[1]

    async def _exchange(self, code: str, begun: Begun, redirect_uri: str) -> str:
        offer, client = await self._offered(), self._client
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        form["code_verifier"] = begun.verifier
        by_header = bool(client.secret) and "client_secret_basic" in offer.token_endpoint_auth_methods_supported
        # RFC 6749, 2.3.1: both halves are encoded as a form's values before they become a header.
        login = encode_basic_auth(quote(client.client_id, safe=""), quote(client.secret, safe=""))
        headers = {"Authorization": login} if by_header else {}
        if not by_header:
            form |= {"client_id": client.client_id} | ({"client_secret": client.secret} if client.secret else {})
        answer = await self._ask("POST", offer.token_endpoint, data=form, headers=headers)
        try:
            return _Tokens.model_validate_json(answer).id_token
        except ValidationError as error:
            raise ProviderDownError(f"{offer.token_endpoint} gives no ID token") from error

    async def _get(self, url: str) -> bytes:
        return await self._ask("GET", url)

    async def _ask(
        self, method: str, url: str, *, data: object = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        try:
            async with (
                ClientSession(timeout=_ANSWERS_WITHIN, connector=TCPConnector(ssl=self.tls)) as http,
                http.request(method, url, data=data, headers=headers, allow_redirects=False) as answer,
            ):
                body = await read_within(answer.content, MAX_ANSWER)
        except (ClientError, TimeoutError, ValueError) as error:
            trouble = trouble_of(error)
            reason = f"{trouble.text}; {trouble.advice}" if trouble else str(error)
            raise ProviderDownError(f"{url} does not answer: {reason}") from error
        if method == "POST" and answer.status in _REFUSED:
            raise ProviderRefusedError(f"{url} answers {answer.status}: the code or the client is not accepted")
        if answer.status != _OK or body is None:
            size = f"more than {MAX_ANSWER}" if body is None else len(body)
            raise ProviderDownError(f"{url} answers {answer.status} with {size} bytes")
        return body
