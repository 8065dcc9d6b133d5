"""A failure that may pass is told as such, with when to come again; a bug of ours is not."""

import errno
from pathlib import Path
from typing import Any

import pytest

from support.api_server import ISSUER, letter, running_api

PASSING = [OSError(getattr(errno, name), name) for name in ("EMFILE", "ENFILE", "EIO", "EROFS", "ESTALE", "EACCES")]
PASSING += [MemoryError()]  # type: ignore[list-item]


async def test_a_machine_in_trouble_answers_503_and_when_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_api(tmp_path) as api:
        headers = api.as_(ISSUER) | {"Idempotency-Key": "k"}
        for error in [*PASSING, KeyError("a bug")]:

            async def failing(*_: Any, error: BaseException = error, **__: Any) -> None:
                raise error

            with monkeypatch.context() as patched:
                patched.setattr(type(api.services.intake), "accept", failing)
                async with api.http.post("/api/v1/dispatches", json=letter(), headers=headers) as answer:
                    told = await answer.json()
                    assert answer.content_type == "application/problem+json"
                    found = answer.status, answer.headers.get("Retry-After"), told["status"]
            assert found == ((500, None, 500) if isinstance(error, KeyError) else (503, "5", 503)), error
            assert "EMFILE" not in str(told), "nothing of the inside"
        async with api.http.post("/api/v1/dispatches", json=letter(), headers=headers) as answer:
            assert answer.status == 202
