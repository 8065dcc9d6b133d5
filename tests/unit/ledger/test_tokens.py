"""Tokens: their form, their hash, and what they do not give away."""

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.ledger.people.tokens import hash_of, key_of, matches, new_token


def test_a_token_has_the_published_form_and_its_key_is_the_middle_part() -> None:
    token = new_token()
    version, key, secret = token.text.split(".")
    assert (version, len(key), len(secret)) == ("cv1", 12, 43)
    assert key_of(token.text) == token.key == key


def test_no_two_tokens_are_alike() -> None:
    tokens = [new_token() for _ in range(100)]
    assert len({token.text for token in tokens}) == len({token.hash for token in tokens}) == 100


def test_the_hash_is_what_rabbitmq_computes_for_a_password() -> None:
    # The worked example of RabbitMQ's documentation: salt 908D C60A, password "test12".
    assert hash_of("test12", bytes.fromhex("908DC60A")) == "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR"


def test_a_token_matches_its_own_hash_and_no_other() -> None:
    one, other = new_token(), new_token()
    assert matches(one.text, one.hash)
    assert not matches(one.text, other.hash)
    assert not matches(one.text[:-1], one.hash)


def test_the_hash_does_not_hold_the_secret() -> None:
    token = new_token()
    stored = base64.b64decode(token.hash)
    assert len(stored) == 4 + hashlib.sha256().digest_size
    assert token.text.encode() not in stored


@given(st.text(max_size=80))
def test_what_is_no_token_has_no_key(text: str) -> None:
    assert key_of(text) is None


@pytest.mark.parametrize("mark", ["\n", " ", "=", "é"])
def test_a_token_with_something_behind_it_is_no_token(mark: str) -> None:
    assert key_of(new_token().text + mark) is None
