"""The values of a login through an identity provider: secrets of its own, read back as they were written."""

import base64
import hashlib
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from router.identity import flow
from router.settings import RouterSettings


@given(st.text(max_size=200))
def test_a_login_is_read_back_from_its_cookie_as_it_was_written(following: str) -> None:
    begun = flow.begin(following)
    assert flow.read(begun.written()) == begun
    assert set(begun.written()) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=.")


@given(st.text(max_size=60))
def test_what_is_no_cookie_of_ours_is_no_login(text: str) -> None:
    begun = flow.read(text)
    assert begun is None or text.count(".") == 3
    assert flow.read("") is flow.read("..." + text) is None


def test_no_two_logins_share_a_secret_and_the_verifier_stays_here() -> None:
    one, two = flow.begin(), flow.begin()
    assert len({one.state, one.nonce, one.verifier, two.state, two.nonce, two.verifier}) == 6
    way = flow.way_to("https://login.example.vn/auth?x=1", one, client_id="c", redirect_uri="https://h/back")
    query = {name: values[0] for name, values in parse_qs(urlsplit(way).query).items()}
    assert one.verifier not in way
    digest = base64.urlsafe_b64encode(hashlib.sha256(one.verifier.encode()).digest()).rstrip(b"=").decode()
    assert (query["code_challenge"], query["code_challenge_method"], query["x"]) == (digest, "S256", "1")
    assert one.answers(query["state"])
    assert not one.answers(two.state)


def test_an_issuer_is_asked_over_tls_or_on_this_machine_and_needs_a_client() -> None:
    for good in ("https://login.example.vn/realms/tinh", "http://127.0.0.1:8080", "http://localhost:8080/x"):
        assert RouterSettings(oidc_issuer=good, oidc_client_id="c").oidc_issuer == good
    for wrong in ("http://login.example.vn", "login.example.vn", "ftp://127.0.0.1", "https://"):
        with pytest.raises(ValidationError, match="is no issuer"):
            RouterSettings(oidc_issuer=wrong, oidc_client_id="c")
    with pytest.raises(ValidationError, match="CONGVAN_OIDC_CLIENT_ID"):
        RouterSettings(oidc_issuer="https://login.example.vn")
