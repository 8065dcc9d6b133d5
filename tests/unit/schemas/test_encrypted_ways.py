"""A login travels encrypted, or stays on the machine, or somebody has said that the way is protected otherwise."""

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from consumers.settings import GatewaySettings
from router.settings import RouterSettings
from schemas.encrypted import is_protected
from schemas.settings import ProgramSettings

PROTECTED = (
    "amqps://broker.example.org/congvan",
    "https://congvan.example.org",
    "amqp://127.0.0.1:5672/congvan",
    "http://127.8.0.1",
    "http://[::1]:8470",
    "http://localhost:8470",
    "http://router.localhost",
)
IN_CLEAR = (
    "amqp://broker.example.org/congvan",
    "http://congvan.example.org",
    "http://10.0.0.1:8470",
    "http://0.0.0.0",
    "amqp://[2001:db8::1]/",
    "http://localhost.example.org",
    "http://127.0.0.1.example.org",
    "http://",
)
SETTINGS: list[tuple[Callable[..., ProgramSettings], str]] = [
    *((RouterSettings, name) for name in ("amqp_url", "management_url", "api_url")),
    *((GatewaySettings, name) for name in ("amqp_url", "origin_url", "webhook_url")),
]


@pytest.mark.parametrize("url", PROTECTED)
def test_what_is_encrypted_or_stays_here_is_protected(url: str) -> None:
    assert is_protected(url)


@pytest.mark.parametrize("url", IN_CLEAR)
def test_what_others_could_read_is_not(url: str) -> None:
    assert not is_protected(url)


@pytest.mark.parametrize(("program", "setting"), SETTINGS)
@pytest.mark.parametrize("url", IN_CLEAR)
def test_every_url_that_carries_a_login_is_looked_at(
    program: Callable[..., ProgramSettings], setting: str, url: str
) -> None:
    with pytest.raises(ValidationError, match=rf"(?i){setting} .* in clear.*ALLOW_PLAINTEXT=true"):
        program(**{setting: url})
    assert getattr(program(**{setting: url, "allow_plaintext": True}), setting) == url
    for protected in PROTECTED:
        assert getattr(program(**{setting: protected}), setting) == protected
