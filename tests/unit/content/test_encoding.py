"""Forms of contents: made when it helps, measured and not guessed, whole or not at all, bit by bit right."""

import hashlib
import io
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from consumers.fetching.decode import decode
from router.content import ContentStore
from router.content.encoding import Encoder, StoredForm, forms
from router.content.encoding import encoder as encoder_module
from router.content.encoding import maker as maker_module
from router.content.encoding.compress import LateError, compressed, most_worth
from router.content.encoding.maker import Maker
from router.errors import ContentFullError
from router.ledger.engine import open_engine, upgrade
from schemas.attachment import Attachment, Forms
from schemas.encoding import MAX_DICTIONARY_BYTES, Encoding, zstd
from support.conditions import holds
from support.packing import letter_bytes
from support.small_disk import small_disk

TEXT = random.Random(3).randbytes(100_000).hex().encode()
NOISE = random.Random(4).randbytes(400_000)
MIB = 1024 * 1024


def plenty() -> float:
    return 60.0


def hardly_any() -> float:
    """Enough for no thorough pass."""
    return 0.001


@pytest.fixture
def store(tmp_path: Path) -> ContentStore:
    return ContentStore(tmp_path / "content", reserve_bytes=0)


@dataclass
class Known:
    """Stands for the ledger's answer: the dictionaries to try."""

    names: list[str] = field(default_factory=list)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> Known:
    made = Known()
    monkeypatch.setattr(encoder_module, "candidates", lambda *_args, **_kwargs: made.names)
    return made


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite3'}"
    upgrade(url)
    made = open_engine(url)
    yield made
    made.dispose()


@pytest.fixture
def encoder(store: ContentStore, engine: Engine) -> Iterator[Encoder]:
    made = Encoder(store, engine, seconds=60)
    yield made
    made.close()


async def put(store: ContentStore, data: bytes) -> Attachment:
    stored = await store.put(data)
    return Attachment(name="a", size=stored.size, sha256=stored.sha256)


async def told(encoder: Encoder, file: Attachment) -> Forms | None:
    return (await encoder.forms_of("LCA.VP", [file], ["LCA.02"])).get(file.sha256)


def content_of(form: StoredForm, size: int, dictionary: tuple[str, bytes] = ("", b"")) -> bytes:
    target = io.BytesIO()
    decode(form.path, target, encoding=form.encoding, size=size, dictionary=dictionary)
    return target.getvalue()


async def test_what_shrinks_is_kept_beside_the_content_and_is_the_same_bytes(
    store: ContentStore, encoder: Encoder
) -> None:
    file = await put(store, TEXT)
    forms_told = await told(encoder, file)
    (form,) = forms.find(store, file.sha256)
    assert forms_told == Forms(zstd_size=form.size)
    assert form.size < 0.7 * len(TEXT)
    assert content_of(form, file.size) == TEXT
    assert store.path(file.sha256).read_bytes() == TEXT
    assert list(store.incoming.iterdir()) == []


async def test_what_does_not_shrink_travels_as_it_is(store: ContentStore, encoder: Encoder) -> None:
    file = await put(store, NOISE)
    assert await told(encoder, file) is None
    assert forms.find(store, file.sha256) == []


async def test_a_large_file_that_does_not_shrink_is_known_by_a_sample(
    store: ContentStore, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_args: object, **_kwargs: object) -> Iterator[bytes]:
        raise AssertionError("it was compressed whole")

    monkeypatch.setattr(maker_module, "compressed", never)
    assert await told(encoder, await put(store, NOISE)) is None


async def test_an_earlier_letter_makes_the_next_small(store: ContentStore, encoder: Encoder, known: Known) -> None:
    old, new = letter_bytes(1), letter_bytes(2)
    known.names = [(await put(store, NOISE)).sha256, (await put(store, old)).sha256]
    file = await put(store, new)
    forms_told = await told(encoder, file)
    assert forms_told is not None
    assert forms_told.dcz_size is not None
    assert forms_told.dcz_size < len(new) / 50
    assert forms_told.dictionary == known.names[1], "the one that saves most"
    (form,) = [form for form in forms.find(store, file.sha256) if form.encoding is Encoding.DCZ]
    assert content_of(form, file.size, (known.names[1], old)) == new


async def test_a_dictionary_that_saves_less_than_a_third_is_not_used(
    store: ContentStore, encoder: Encoder, known: Known
) -> None:
    known.names = [(await put(store, NOISE[:100_000])).sha256]
    file = await put(store, NOISE[:100_000] + os.urandom(210_000))
    assert await told(encoder, file) is None
    better = await put(store, NOISE[:100_000] + os.urandom(190_000))
    assert (await told(encoder, better)) is not None


async def test_a_dictionary_that_is_gone_or_changed_is_left_out(
    store: ContentStore, encoder: Encoder, known: Known
) -> None:
    gone, changed = await put(store, letter_bytes(1)), await put(store, letter_bytes(3))
    store.path(gone.sha256).unlink()
    store.path(changed.sha256).write_bytes(letter_bytes(4))
    known.names = [gone.sha256, changed.sha256]
    assert (await told(encoder, await put(store, NOISE))) is None


async def test_small_files_and_a_router_that_shall_not_compress_make_none(
    store: ContentStore, engine: Engine, encoder: Encoder
) -> None:
    assert await told(encoder, await put(store, b"x" * 4095)) is None
    off = Encoder(store, engine, seconds=0)
    assert await told(off, await put(store, TEXT)) is None
    off.close()


async def test_what_takes_too_long_travels_as_it_is_and_leaves_nothing(store: ContentStore, engine: Engine) -> None:
    hasty = Encoder(store, engine, seconds=1e-9)
    file = await put(store, TEXT)
    assert await told(hasty, file) is None
    hasty.close()
    assert forms.find(store, file.sha256) == []
    assert list(store.incoming.iterdir()) == []


async def test_a_thorough_pass_that_comes_too_late_leaves_the_quick_one(store: ContentStore) -> None:
    file = await put(store, TEXT)
    seconds = iter([60.0] * 2 + [0.0] * 99)
    form = Maker(store, file.sha256, file.size, lambda: next(seconds), dictionaries=store).zstd()
    assert form is not None
    assert content_of(form, file.size) == TEXT


async def test_forms_are_made_once(
    store: ContentStore, encoder: Encoder, known: Known, monkeypatch: pytest.MonkeyPatch
) -> None:
    known.names = [(await put(store, letter_bytes(1))).sha256]
    file = await put(store, letter_bytes(2))
    first = await told(encoder, file)
    assert first is not None
    monkeypatch.setattr(maker_module, "compressed", None)
    assert await told(encoder, file) == first


async def test_a_full_disk_makes_no_form_and_harms_no_dispatch(tmp_path: Path, engine: Engine) -> None:
    with small_disk(tmp_path, size=2 * MIB) as disk:
        store = ContentStore(disk / "content", reserve_bytes=MIB)
        file = await put(store, TEXT)
        (disk / "ballast").write_bytes(b"\0" * (shutil.disk_usage(disk).free - MIB))
        full = Encoder(store, engine, seconds=60)
        assert await told(full, file) is None
        full.close()
        assert list(store.incoming.iterdir()) == []
        with pytest.raises(ContentFullError):
            forms.keep(store, file.sha256, Encoding.ZSTD, [b"x"], most=10)


async def test_a_spoilt_form_is_removed_and_can_be_made_again(
    store: ContentStore, encoder: Encoder, known: Known
) -> None:
    known.names = [(await put(store, letter_bytes(1))).sha256]
    file = await put(store, letter_bytes(2))
    first = await told(encoder, file)
    assert first is not None
    for form in forms.find(store, file.sha256):
        form.path.write_bytes(b"?" * form.size)
    assert forms.find(store, file.sha256) == []
    assert forms.lost([first], []) == [first]
    encoder.remake(file.sha256, first)
    await holds(lambda: not forms.lost([first], forms.find(store, file.sha256)), what="the forms are there again")
    sizes = {form.encoding: form.size for form in forms.find(store, file.sha256)}
    assert sizes == {Encoding.ZSTD: first.zstd_size, Encoding.DCZ: first.dcz_size}


async def test_a_form_that_breaks_off_leaves_nothing(store: ContentStore) -> None:
    file = await put(store, TEXT)

    def breaking() -> Iterator[bytes]:
        yield b"x" * 1000
        raise LateError

    with pytest.raises(LateError):
        forms.keep(store, file.sha256, Encoding.ZSTD, breaking(), most=MIB)
    assert forms.keep(store, file.sha256, Encoding.ZSTD, [b"x" * 1000], most=999) is None
    assert forms.find(store, file.sha256) == []
    assert list(store.incoming.iterdir()) == []


async def test_a_router_killed_while_it_makes_a_form_leaves_nothing_after_its_next_start(store: ContentStore) -> None:
    file = await put(store, TEXT)
    code = (
        "import sys, time; from pathlib import Path; from router.content import ContentStore\n"
        "from router.content.encoding import forms; from schemas.encoding import Encoding\n"
        "def pieces():\n"
        "    yield b'x' * 1000; print('half', flush=True); time.sleep(60)\n"
        "store = ContentStore(Path(sys.argv[1]), reserve_bytes=0)\n"
        "forms.keep(store, sys.argv[2], Encoding.ZSTD, pieces(), most=10**6)\n"
    )
    command = [sys.executable, "-c", code, str(store.root), file.sha256]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:  # noqa: ASYNC220 - waiting for it is the point
        assert child.stdout is not None
        assert child.stdout.readline() == b"half\n"
        child.kill()
    assert len(list(store.incoming.iterdir())) == 1
    again = ContentStore(store.root, reserve_bytes=0)
    assert list(again.incoming.iterdir()) == []
    assert forms.find(again, file.sha256) == []
    assert again.path(file.sha256).read_bytes() == TEXT


async def test_what_else_lies_there_is_no_form(store: ContentStore) -> None:
    file = await put(store, TEXT)
    for ending in ("", ".zstd", ".br.e", ".dcz.a.b.c"):
        store.path(file.sha256).with_name(f"{file.sha256}{ending or '.x'}").touch()
    assert forms.find(store, file.sha256) == []
    assert forms.find(store, "0" * 64) == []


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=5000), dictionary=st.one_of(st.none(), st.binary(min_size=8, max_size=5000)))
def test_a_compressed_file_is_the_same_bytes(tmp_path: Path, data: bytes, dictionary: bytes | None) -> None:
    source = tmp_path / hashlib.sha256(data).hexdigest()
    source.write_bytes(data)
    frame = b"".join(compressed(source, len(data), level=19, left=plenty, dictionary=dictionary))
    prefix = zstd.ZstdDict(dictionary, is_raw=True).as_prefix if dictionary is not None else None
    assert zstd.decompress(frame, zstd_dict=prefix) == data


async def test_a_file_of_the_largest_size_has_its_dictionary_within_reach_to_the_end(store: ContentStore) -> None:
    """At the window's edge: the end of the content is found at the end of the dictionary."""
    old = random.Random(5).randbytes(MAX_DICTIONARY_BYTES)
    new = random.Random(6).randbytes(100) + old[100:]
    dictionary, file = await put(store, old), await put(store, new)
    form = Maker(store, file.sha256, file.size, hardly_any, dictionaries=store).dcz([dictionary.sha256], None)
    assert form is not None
    assert form.size < 2000
    assert content_of(form, file.size, (dictionary.sha256, old)) == new


async def test_a_file_too_large_for_a_dictionary_is_compressed_piece_by_piece(store: ContentStore) -> None:
    data = TEXT * (MAX_DICTIONARY_BYTES // len(TEXT) + 1)
    file = await put(store, data)
    form = Maker(store, file.sha256, file.size, plenty, dictionaries=store).zstd()
    assert form is not None
    assert form.size < most_worth(len(data))
    assert content_of(form, file.size) == data
