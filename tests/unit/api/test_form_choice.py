"""Which form of a content answers a request: the smallest that the caller reads, and never one it could not unpack."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from router.api.negotiation import accepted, choose, held_dictionary
from router.content.encoding import StoredForm
from schemas.encoding import Encoding, as_available_dictionary, read_available_dictionary

A, B = "a" * 64, "b" * 64
ZSTD = StoredForm(Encoding.ZSTD, "", 600, "z", Path("z"))
DCZ = StoredForm(Encoding.DCZ, A, 100, "d", Path("d"))
BOTH = (ZSTD, DCZ)


def chosen(accept: str, *, dictionary: str | None = None, size: int = 1000) -> StoredForm | None:
    return choose(BOTH, {"accept-encoding": accept}, dictionary=dictionary, size=size)


def test_the_smallest_form_that_the_caller_reads_is_sent() -> None:
    assert chosen("dcz, zstd", dictionary=A) is DCZ
    assert chosen("dcz, zstd", dictionary=B) is ZSTD
    assert chosen("dcz, zstd") is ZSTD
    assert chosen("zstd", dictionary=A) is ZSTD
    assert chosen("gzip, ZSTD;q=0.5") is ZSTD
    assert chosen("dcz", dictionary=B) is None
    assert chosen("*", dictionary=A) is DCZ


def test_without_a_wish_or_against_one_the_content_comes_as_it_is() -> None:
    assert choose(BOTH, {}, dictionary=A, size=1000) is None
    for accept in ("", "identity", "gzip, br", "zstd;q=0", "zstd;q=0.000, *;q=0", "*;q=0", "zstd;q=x"):
        assert chosen(accept, dictionary=A) is None


def test_a_form_that_is_no_smaller_is_not_sent() -> None:
    assert chosen("zstd", size=600) is None


def test_a_dictionary_counts_only_with_the_coding_that_uses_it() -> None:
    told = {"available-dictionary": as_available_dictionary(A)}
    assert held_dictionary(told | {"accept-encoding": "zstd, dcz"}) == A
    assert held_dictionary(told | {"accept-encoding": "zstd"}) is None
    assert held_dictionary({"accept-encoding": "dcz"}) is None


@given(st.binary(min_size=32, max_size=32))
def test_a_dictionary_is_named_and_read_as_a_structured_field(digest: bytes) -> None:
    assert read_available_dictionary(f" {as_available_dictionary(digest.hex())} ") == digest.hex()


@given(st.text())
def test_any_header_is_read_without_an_error(text: str) -> None:
    assert read_available_dictionary(text) is None
    assert accepted({"accept-encoding": text}) <= {Encoding.ZSTD, Encoding.DCZ}
