"""What came packed is unpacked bit by bit as it was; what is not well-formed neither gets through nor eats memory."""

import hashlib
import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumers.errors import WrongContentError
from consumers.fetching.decode import decode
from schemas.encoding import Encoding, dcz_header, zstd
from support.packing import dcz_form, letter_bytes, zstd_form

MIB = 1024 * 1024
NONE = ("", b"")
HERE = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)


def unpack(path: Path, packed: bytes, encoding: Encoding, size: int, dictionary: tuple[str, bytes] = NONE) -> bytes:
    path.write_bytes(packed)
    target = io.BytesIO()
    found = decode(path, target, encoding=encoding, size=size, dictionary=dictionary)
    assert found == hashlib.sha256(target.getvalue()).hexdigest()
    return target.getvalue()


def named(dictionary: bytes) -> tuple[str, bytes]:
    return hashlib.sha256(dictionary).hexdigest(), dictionary


@HERE
@given(data=st.binary(min_size=1, max_size=3000), repeated=st.integers(1, 200))
def test_zstd_comes_out_as_it_was(tmp_path: Path, data: bytes, repeated: int) -> None:
    whole = data * repeated
    assert unpack(tmp_path / "p", zstd_form(whole).data, Encoding.ZSTD, len(whole)) == whole


@HERE
@given(dictionary=st.binary(min_size=8, max_size=3000), own=st.binary(max_size=500), cut=st.integers(0, 3000))
def test_dcz_comes_out_as_it_was(tmp_path: Path, dictionary: bytes, own: bytes, cut: int) -> None:
    whole = dictionary[:cut] + own + dictionary[cut:]
    packed = dcz_form(whole, dictionary).data
    assert unpack(tmp_path / "p", packed, Encoding.DCZ, len(whole), named(dictionary)) == whole


@HERE
@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_is_wrong_or_has_another_hash(tmp_path: Path, place: int, bit: int) -> None:
    first, second = letter_bytes(1, size=3000), letter_bytes(2, size=3000)
    packed = bytearray(dcz_form(second, first).data)
    packed[place % len(packed)] ^= 1 << bit
    try:
        came = unpack(tmp_path / "p", bytes(packed), Encoding.DCZ, len(second), named(first))
    except WrongContentError:
        return
    assert came == second or hashlib.sha256(came).digest() != hashlib.sha256(second).digest()


@HERE
@given(end=st.integers(0, 10_000))
def test_a_stream_that_ends_too_early_is_wrong(tmp_path: Path, end: int) -> None:
    data = letter_bytes(1, size=3000)
    packed = zstd_form(data).data
    with pytest.raises(WrongContentError):
        unpack(tmp_path / "p", packed[: end % len(packed)], Encoding.ZSTD, len(data))


def test_bytes_behind_the_end_are_wrong(tmp_path: Path) -> None:
    packed = zstd_form(b"x" * 5000).data
    with pytest.raises(WrongContentError, match="does not end"):
        unpack(tmp_path / "p", packed + packed, Encoding.ZSTD, 5000)
    with pytest.raises(WrongContentError, match="does not end"):
        unpack(tmp_path / "p", packed + b"\0" * 100_000, Encoding.ZSTD, 5000)


def test_another_dictionary_than_the_stream_names_is_told(tmp_path: Path) -> None:
    first, second = letter_bytes(1), letter_bytes(2)
    packed = dcz_form(second, first).data
    with pytest.raises(WrongContentError, match="dictionary"):
        unpack(tmp_path / "p", packed, Encoding.DCZ, len(second), named(b"another one"))
    with pytest.raises(WrongContentError, match="not here any more"):
        unpack(tmp_path / "p", packed, Encoding.DCZ, len(second), (named(first)[0], b""))
    renamed = dcz_header(named(b"another one")[0]) + packed[40:]
    with pytest.raises(WrongContentError):
        unpack(tmp_path / "p", renamed, Encoding.DCZ, len(second), named(b"another one"))


@pytest.mark.parametrize("wrong", [-1, 1])
def test_another_size_than_was_announced_is_wrong(tmp_path: Path, wrong: int) -> None:
    data = letter_bytes(1)
    with pytest.raises(WrongContentError, match="announced"):
        unpack(tmp_path / "p", zstd_form(data).data, Encoding.ZSTD, len(data) + wrong)


def test_a_bomb_writes_no_more_than_was_announced_in_little_memory(tmp_path: Path) -> None:
    bomb = zstd.compress(bytes(256 * MIB))
    assert len(bomb) < 32 * 1024
    (tmp_path / "p").write_bytes(bomb)
    tracemalloc.start()
    with (tmp_path / "out").open("wb") as target, pytest.raises(WrongContentError, match="more than"):
        decode(tmp_path / "p", target, encoding=Encoding.ZSTD, size=MIB, dictionary=NONE)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (tmp_path / "out").stat().st_size <= MIB
    assert peak < 2 * MIB


def test_a_window_larger_than_a_small_gateway_has_is_refused(tmp_path: Path) -> None:
    wide = zstd.CompressionParameter
    compressor = zstd.ZstdCompressor(options={wide.window_log: 27})
    packed = b"".join(compressor.compress(bytes(MIB)) for _ in range(40)) + compressor.flush()
    with pytest.raises(WrongContentError, match="cannot be unpacked"):
        unpack(tmp_path / "p", packed, Encoding.ZSTD, 40 * MIB)
