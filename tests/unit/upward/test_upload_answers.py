"""What the router's answers mean for a file that goes up, and how large a request may be."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.errors import (
    ForeignAnswerError,
    OutgoingRejectedError,
    ServerTroubleError,
    UploadDamagedError,
    UploadsLostError,
)
from consumers.sending import tus
from consumers.sending.upload import LEAST_PATCH, MOST_PATCH, patch_bytes


def problem(slug: str, **said: object) -> bytes:
    return json.dumps({"type": f"urn:congvan:problem:{slug}", "title": "t", "status": 0} | said).encode()


REFUSED = {400, 403, 413, 422}


def test_what_the_router_does_not_refuse_is_tried_again() -> None:
    others = set(range(100, 600)) - {*REFUSED, 460}
    found = {status: tus.meaning_of(status, problem("x"), ours=True) for status in others}
    assert [status for status, error in found.items() if not isinstance(error, ServerTroubleError)] == []


def test_what_somebody_else_says_is_tried_again_whatever_it_is() -> None:
    said = {"Content-Type": "text/html", "Location": "http://portal.example/login"}
    for status in range(100, 600):
        error = tus.meaning_of(status, b"<html>", ours=False, headers=said, conflict=True)
        assert isinstance(error, ForeignAnswerError)
        assert f"{status} (text/html, to http://portal.example/login)" in str(error)


@pytest.mark.parametrize("status", sorted(REFUSED))
def test_what_the_router_refuses_goes_to_a_person_with_every_word_of_it(status: int) -> None:
    body = problem("x", detail="the rules reach no unit", hint="try them", errors=[{"field": "f", "problem": "wrong"}])
    error = tus.meaning_of(status, body, ours=True)
    assert isinstance(error, OutgoingRejectedError)
    assert str(error) == "the rules reach no unit; f: wrong; try them"


def test_wrong_bytes_and_lost_files_begin_again() -> None:
    assert isinstance(tus.meaning_of(460, problem("upload-mismatch"), ours=True), UploadDamagedError)
    assert isinstance(tus.meaning_of(422, problem("unknown-attachment"), ours=True), UploadsLostError)


def test_a_conflict_of_a_submission_is_final() -> None:
    assert isinstance(tus.meaning_of(409, b"", ours=True, conflict=True), OutgoingRejectedError)


@given(st.floats(0, 1e12))
def test_a_request_lasts_some_seconds_and_is_bounded(rate: float) -> None:
    size = patch_bytes(rate)
    assert LEAST_PATCH <= size <= MOST_PATCH
    assert size <= max(rate * 30 + 1, LEAST_PATCH)
