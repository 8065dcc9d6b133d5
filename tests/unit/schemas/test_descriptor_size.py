"""The descriptor: what travels fits into 4 kB, or says where the whole of it is."""

import base64
import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from schemas.attachment import TravellingAttachment
from schemas.descriptor import MAX_DESCRIPTOR_BYTES, Descriptor, Envelope, encode, fits, full_descriptor, stub
from schemas.dispatch import Letter, Submission
from schemas.errors import InvalidError
from schemas.ids import new_id
from schemas.model import parse
from support.letters import SHA, submissions, widest_submission

RECORD = TravellingAttachment(
    name="ề" * 65 + ".json",
    media_type="a" * 60 + "/" + "b" * 80,
    size=2**31,
    sha256=SHA,
    zstd_size=2**31,
    dcz_size=2**31,
    dictionary=SHA,
)


@settings(max_examples=60)
@given(submissions)
def test_every_stub_fits_into_a_message_and_can_be_read(fields: dict[str, Any]) -> None:
    whole = full_descriptor(new_id(), Submission(**fields))
    short = encode(stub(whole, RECORD))
    assert fits(short)
    read = parse(Descriptor, short, what="descriptor")
    assert (read.id, read.issuer, read.urgency, read.record) == (whole.id, whole.issuer, whole.urgency, RECORD)
    assert whole.subject.startswith(read.subject)


def test_the_widest_letter_does_not_fit_and_its_stub_does() -> None:
    whole = full_descriptor(new_id(), widest_submission())
    assert not fits(encode(whole))
    short = encode(stub(whole, RECORD))
    assert len(short) <= MAX_DESCRIPTOR_BYTES
    assert parse(Descriptor, short, what="descriptor").notation


@settings(max_examples=40)
@given(submissions)
def test_the_descriptor_holds_the_letter_without_addressees(fields: dict[str, Any]) -> None:
    submission = Submission(**fields)
    whole = full_descriptor(new_id(), submission)
    body = encode(whole)
    assert "addressees" not in json.loads(body)
    assert parse(Descriptor, body, what="descriptor") == whole
    assert {name: getattr(whole, name) for name in Letter.model_fields} == {
        name: getattr(submission, name) for name in Letter.model_fields
    }
    assert [item.sha256 for item in whole.attachments] == [item.sha256 for item in submission.attachments]


def test_a_plain_letter_takes_little_of_the_line() -> None:
    submission = Submission(notation="1-CV/TU", subject="Mời họp", issuer="LCA.VP", addressees=("LCA.02",))
    assert len(encode(full_descriptor(new_id(), submission))) < 200


def test_inline_bytes_travel_as_base64_and_must_have_the_hash_that_names_them() -> None:
    data = bytes(range(256))
    named = {"name": "a.bin", "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    inline = base64.b64encode(data).decode()
    read = parse(TravellingAttachment, json.dumps(named | {"inline": inline}), what="attachment")
    assert read.inline == data
    assert json.loads(read.model_dump_json())["inline"] == inline
    with pytest.raises(InvalidError, match="SHA-256"):
        parse(TravellingAttachment, json.dumps(named | {"inline": inline, "sha256": SHA}), what="attachment")


@pytest.mark.parametrize("seq", [0, -1, 2**53])
def test_a_sequence_number_counts_from_one_and_stays_exact(seq: int) -> None:
    with pytest.raises(ValidationError):
        Envelope(delivery_id=new_id(), unit="LCA.02", seq=seq)


def test_a_descriptor_of_another_version_is_refused_by_name() -> None:
    body = json.dumps({"v": 2, "id": new_id(), "notation": "1", "subject": "s", "issuer": "LCA"})
    with pytest.raises(InvalidError, match="v: "):
        parse(Descriptor, body, what="descriptor")
