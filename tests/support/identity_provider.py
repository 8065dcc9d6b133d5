"""An OpenID Connect provider for tests: discovery, keys, codes with PKCE and signed tokens, all over HTTP."""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import encode_basic_auth, web
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CLIENT_ID, SECRET = "congvan-console", "a secret of the client's"
UNSIGNED = "none"


@dataclass(slots=True)
class Account:
    """Whom the provider names; ``claims`` go into the token beside the usual ones, None takes one out."""

    subject: str = "0001"
    email: str = "district@example.vn"
    email_verified: bool = True
    claims: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class IdentityProvider:
    """A running provider; the account that is set is logged in there and agrees to everything."""

    url: str = ""
    account: Account = field(default_factory=Account)
    algorithm: str = "RS256"
    is_down: bool = False
    asked: list[str] = field(default_factory=list)
    """The paths that were asked for."""
    keys: list[RSAKey] = field(default_factory=list)
    foreign: RSAKey | None = None
    """Signs instead of the provider's own key."""
    _codes: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def rotate(self) -> None:
        """Sign with another key from now on, and offer it alone."""
        self.keys = [new_key()]

    def app(self) -> web.Application:
        """Its endpoints."""
        app = web.Application(middlewares=[self._watch])
        app.router.add_get("/.well-known/openid-configuration", self._offer)
        app.router.add_get("/keys", self._keys_page)
        app.router.add_get("/authorize", self._authorize)
        app.router.add_post("/token", self._token)
        app.router.add_get("/leave", self._leave)
        return app

    @web.middleware
    async def _watch(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(request.path)
        if self.is_down:
            return web.Response(status=502, text="down")
        answer: web.StreamResponse = await handler(request)
        return answer

    async def _offer(self, _request: web.Request) -> web.Response:
        places = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        offer = {name: f"{self.url}/{path}" for name, path in places.items()}
        return web.json_response(offer | {"issuer": self.url, "end_session_endpoint": f"{self.url}/leave"})

    async def _keys_page(self, _request: web.Request) -> web.Response:
        others = [{"kty": "of tomorrow", "kid": "1"}, {"kty": "oct", "kid": "2", "k": "c2VjcmV0"}]
        return web.json_response({"keys": [*others, *KeySet(list(self.keys)).as_dict(private=False)["keys"]]})

    async def _authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        assert asked["client_id"] == CLIENT_ID
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert "openid" in asked["scope"].split()
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        answer = urlencode({"code": code, "state": asked["state"]})
        raise web.HTTPFound(f"{asked['redirect_uri']}?{answer}")

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        login = request.headers.get("Authorization", "")
        asked = self._codes.pop(str(form["code"]), None)
        challenge = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        proven = base64.urlsafe_b64encode(challenge).rstrip(b"=").decode()
        is_right = (
            asked is not None
            and login == encode_basic_auth(CLIENT_ID, quote(SECRET, safe=""))
            and asked["code_challenge"] == proven
            and asked["redirect_uri"] == form["redirect_uri"]
        )
        if asked is None or not is_right:
            return web.json_response({"error": "invalid_grant"}, status=400)
        tokens = {"access_token": secrets.token_urlsafe(16), "token_type": "Bearer", "id_token": self._sign(asked)}
        return web.json_response(tokens)

    async def _leave(self, request: web.Request) -> web.Response:
        raise web.HTTPFound(request.query["post_logout_redirect_uri"])

    def _sign(self, asked: Mapping[str, str]) -> str:
        now, account = int(time.time()), self.account
        claims = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "sub": account.subject,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "email": account.email,
            "email_verified": account.email_verified,
        }
        told = {name: value for name, value in (claims | dict(account.claims)).items() if value is not None}
        if self.algorithm == UNSIGNED:
            parts = (json.dumps(part).encode() for part in ({"alg": "none"}, told))
            head, body = (base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
            return f"{head}.{body}."
        key = self.foreign or self.keys[0]
        return jwt.encode({"alg": self.algorithm, "kid": key.kid}, told, key)


def new_key() -> RSAKey:
    """A key pair with a name."""
    key = RSAKey.generate_key(2048, auto_kid=True)
    key.ensure_kid()
    return key


@asynccontextmanager
async def running_provider() -> AsyncIterator[IdentityProvider]:
    """Serve until the block ends."""
    provider = IdentityProvider(keys=[new_key()])
    runner = web.AppRunner(provider.app())
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        provider.url = f"http://{host}:{port}"
        yield provider
    finally:
        await runner.cleanup()
