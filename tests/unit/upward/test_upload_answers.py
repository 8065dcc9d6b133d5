"""What the router's answers mean for a file that goes up, and how large a request may be."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.errors import OutgoingRejectedError, ServerTroubleError, UploadsLostError, UploadSpoiltError
from consumers.upward import tus
from consumers.upward.upload import LEAST_PATCH, MOST_PATCH, patch_bytes


def problem(slug: str, **said: object) -> bytes:
    return json.dumps({"type": f"urn:congvan:problem:{slug}", "title": "t", "status": 0} | said).encode()


@pytest.mark.parametrize("status", [401, 404, 408, 409, 410, 423, 429, 500, 502, 503, 507, 302])
def test_what_is_not_the_documents_fault_is_tried_again(status: int) -> None:
    assert isinstance(tus.meaning_of(status, b"<html>"), ServerTroubleError)


@pytest.mark.parametrize("status", [400, 403, 412, 413, 415, 422])
def test_what_the_router_refuses_goes_to_a_person_with_every_word_of_it(status: int) -> None:
    body = problem("x", detail="the rules reach no unit", hint="try them", errors=[{"field": "f", "problem": "wrong"}])
    error = tus.meaning_of(status, body)
    assert isinstance(error, OutgoingRejectedError)
    assert str(error) == "the rules reach no unit; f: wrong; try them"


def test_wrong_bytes_and_lost_files_begin_again() -> None:
    assert isinstance(tus.meaning_of(460, problem("upload-mismatch")), UploadSpoiltError)
    assert isinstance(tus.meaning_of(422, problem("unknown-attachment")), UploadsLostError)


def test_a_conflict_of_a_submission_is_final() -> None:
    assert isinstance(tus.meaning_of(409, b"", conflict=True), OutgoingRejectedError)


@given(st.floats(0, 1e12))
def test_a_request_lasts_some_seconds_and_is_bounded(rate: float) -> None:
    size = patch_bytes(rate)
    assert LEAST_PATCH <= size <= MOST_PATCH
    assert size <= max(rate * 30 + 1, LEAST_PATCH)
