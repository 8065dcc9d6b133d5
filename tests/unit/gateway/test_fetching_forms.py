"""Fetching what is kept smaller: resumed packed, unpacked at the end, and plain when anything about it is wrong."""

import hashlib
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from consumers.errors import WrongContentError
from consumers.fetching.dictionaries import Dictionaries
from consumers.fetching.fetch import Transfer
from consumers.fetching.part import Form, part_path
from consumers.line import state as line_module
from schemas.encoding import Encoding, as_available_dictionary
from support.content_server import Served, content_server
from support.fetching import Bench, bench_in
from support.packing import dcz_form, letter_bytes, zstd_form

TEXT = random.Random(3).randbytes(150_000).hex().encode()
OLD, NEW = letter_bytes(1, size=600_000), letter_bytes(2, size=600_000)
OLD_NAME = hashlib.sha256(OLD).hexdigest()


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(line_module, "PROBE_WHEN_DOWN", 0.02)
    async with content_server() as server:
        yield bench_in(tmp_path, server)


def wanted(bench: Bench, data: bytes, *forms: Served) -> Transfer:
    name = bench.server.put(data)
    bench.server.forms[name] = list(forms)
    dictionary = next((form.dictionary for form in forms if form.dictionary), "")
    transfer = Transfer(name, len(data), dictionary=dictionary)
    transfer.release()
    return transfer


def hold(bench: Bench, data: bytes = OLD) -> Path:
    kept = bench.dictionaries._root / hashlib.sha256(data).hexdigest()
    kept.write_bytes(data)
    bench.dictionaries = Dictionaries(bench.dictionaries._root, most_bytes=2**24)
    return kept


async def test_a_form_comes_instead_of_the_content_and_is_unpacked(bench: Bench) -> None:
    form = zstd_form(TEXT)
    transfer = wanted(bench, TEXT, form)
    await bench.fetch(transfer)
    assert bench.got(transfer) == TEXT
    assert bench.moved == len(form.data) == transfer.size == transfer.done < len(TEXT) * 0.7
    assert [path.name for path in bench.directory.path("x").parent.glob(f"{transfer.sha256}*")] == [transfer.sha256]


async def test_who_holds_the_dictionary_says_so_and_gets_the_difference(bench: Bench) -> None:
    hold(bench)
    form = dcz_form(NEW, OLD)
    transfer = wanted(bench, NEW, form, zstd_form(NEW))
    await bench.fetch(transfer)
    assert bench.got(transfer) == NEW
    assert bench.moved == len(form.data) < len(NEW) / 100
    assert bench.server.requests[0].dictionary == as_available_dictionary(OLD_NAME)


async def test_who_lacks_the_dictionary_says_so_and_gets_another_form(bench: Bench) -> None:
    form = zstd_form(NEW)
    transfer = wanted(bench, NEW, dcz_form(NEW, OLD), form)
    await bench.fetch(transfer)
    assert bench.got(transfer) == NEW
    assert bench.moved == len(form.data)
    assert (bench.server.requests[0].accept, bench.server.requests[0].dictionary) == ("zstd", "")


async def test_what_is_sent_again_while_it_is_kept_does_not_travel(bench: Bench) -> None:
    hold(bench, TEXT)
    transfer = wanted(bench, TEXT)
    await bench.fetch(transfer)
    assert bench.got(transfer) == TEXT
    assert bench.server.requests == []


async def test_parts_that_a_lent_content_makes_useless_are_removed_and_no_others(bench: Bench) -> None:
    """What had come of a content before the same came with another dispatch is of no use any more, in any form."""
    hold(bench, TEXT)
    transfer = wanted(bench, TEXT)
    whole, other = bench.directory.path(transfer.sha256), bench.directory.path("0" * 64)
    useless = [part_path(whole), part_path(whole, Form(Encoding.ZSTD, "a" * 64, 10))]
    for path in (*useless, part_path(other)):
        path.write_bytes(b"x")
    await bench.fetch(transfer)
    assert bench.got(transfer) == TEXT
    assert not any(path.exists() for path in useless)
    assert part_path(other).exists()
    assert bench.server.requests == []


async def test_what_is_kept_and_was_changed_comes_again(bench: Bench) -> None:
    hold(bench, TEXT).write_bytes(TEXT[::-1])
    transfer = wanted(bench, TEXT)
    await bench.fetch(transfer)
    assert bench.got(transfer) == TEXT
    assert len(bench.server.requests) == 1


async def test_a_dictionary_that_was_changed_on_the_disk_is_removed_and_not_relied_on(bench: Bench) -> None:
    kept = hold(bench)
    kept.write_bytes(OLD[:-1] + b"!")
    transfer = wanted(bench, NEW, dcz_form(NEW, OLD))
    await bench.fetch(transfer)
    assert bench.got(transfer) == NEW
    assert not kept.exists()
    assert bench.server.requests[0].dictionary == ""


async def test_a_dropped_line_resumes_the_form_at_the_byte(bench: Bench) -> None:
    form = zstd_form(TEXT, level=1)
    transfer = wanted(bench, TEXT, form)
    bench.server.cut_after.extend([32_000] * 3)
    await bench.fetch(transfer)
    assert bench.got(transfer) == TEXT
    starts = [request.start for request in bench.server.requests]
    assert starts == sorted(set(starts))
    assert len(starts) == 4
    assert {request.if_range for request in bench.server.requests[1:]} == {f'"{form.etag}"'}
    assert bench.moved == len(form.data)


async def test_a_part_of_a_form_from_before_a_crash_is_resumed(bench: Bench) -> None:
    form = zstd_form(TEXT)
    transfer = wanted(bench, TEXT, form)
    part = part_path(bench.directory.path(transfer.sha256), Form(Encoding.ZSTD, form.etag, len(form.data)))
    part.write_bytes(form.data[:40_001])
    await bench.fetch(transfer)
    assert [request.start for request in bench.server.requests] == [40_001]
    assert bench.got(transfer) == TEXT


async def test_a_whole_part_of_a_form_is_unpacked_without_a_request(bench: Bench) -> None:
    hold(bench)
    form = dcz_form(NEW, OLD)
    transfer = wanted(bench, NEW, form)
    part = part_path(bench.directory.path(transfer.sha256), Form(Encoding.DCZ, form.etag, len(form.data)))
    part.write_bytes(form.data)
    await bench.fetch(transfer)
    assert bench.got(transfer) == NEW
    assert bench.server.requests == []
    assert not part.exists()


async def test_a_part_of_the_plain_content_goes_on_plain(bench: Bench) -> None:
    transfer = wanted(bench, TEXT, zstd_form(TEXT))
    part_path(bench.directory.path(transfer.sha256)).write_bytes(TEXT[:70_001])
    await bench.fetch(transfer)
    assert bench.got(transfer) == TEXT
    assert [(request.start, request.accept) for request in bench.server.requests] == [(70_001, "identity")]


async def test_a_form_that_was_made_anew_is_never_mixed_with_the_old_one(bench: Bench) -> None:
    old, new = zstd_form(TEXT, level=1), zstd_form(TEXT, level=9)
    transfer = wanted(bench, TEXT, new)
    part = part_path(bench.directory.path(transfer.sha256), Form(Encoding.ZSTD, old.etag, len(old.data)))
    part.write_bytes(old.data[:40_000])
    await bench.fetch(transfer)
    assert bench.got(transfer) == TEXT
    assert bench.server.requests[0].if_range == f'"{old.etag}"'
    assert bench.moved == len(new.data)


async def test_a_part_whose_dictionary_had_to_go_begins_again(bench: Bench) -> None:
    form = dcz_form(NEW, OLD)
    transfer = wanted(bench, NEW, form)
    part = part_path(bench.directory.path(transfer.sha256), Form(Encoding.DCZ, form.etag, len(form.data)))
    part.write_bytes(form.data[:200])
    await bench.fetch(transfer)
    assert bench.got(transfer) == NEW
    assert bench.server.requests[0].start == 0


@pytest.mark.parametrize("spoilt", ["other bytes", "another content", "too long a content"])
async def test_a_form_that_is_wrong_is_left_and_the_content_comes_plain(bench: Bench, spoilt: str) -> None:
    other = {"other bytes": b"?" * 90_000, "another content": TEXT[::-1], "too long a content": TEXT + b"!"}[spoilt]
    form = Served(other, "e", "zstd") if spoilt == "other bytes" else zstd_form(other)
    transfer = wanted(bench, TEXT, form)
    await bench.fetch(transfer)
    assert bench.got(transfer) == TEXT
    assert [request.accept for request in bench.server.requests] == ["zstd", "identity"]
    assert [request.start for request in bench.server.requests] == [0, 0]
    assert any("zstd" in reason or "SHA-256" in reason for reason in bench.waits), "people see why"


@pytest.mark.parametrize(
    "changed", [{"etag": "../../e"}, {"etag": ""}, {"encoding": "br"}, {"data": b"z" * (len(TEXT) + 1)}]
)
async def test_a_form_that_could_not_be_resumed_is_not_taken(bench: Bench, changed: dict[str, str]) -> None:
    form = replace(zstd_form(TEXT), **changed)  # type: ignore[arg-type]
    transfer = wanted(bench, TEXT, form)
    bench.server.always = bool(changed.get("encoding"))
    await bench.fetch(transfer)
    assert bench.got(transfer) == TEXT
    assert bench.server.requests[-1].accept == "identity"


async def test_a_content_that_is_wrong_plain_too_is_given_up(bench: Bench) -> None:
    transfer = wanted(bench, TEXT, Served(b"?" * 1000, "e", "zstd"))
    bench.server.swap[transfer.sha256] = 99
    with pytest.raises(WrongContentError):
        await bench.fetch(transfer)
    assert not bench.directory.has(transfer.sha256)
