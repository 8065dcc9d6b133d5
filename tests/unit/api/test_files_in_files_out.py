"""As many files as come in a form are in its submission, each with its bytes; or the form is refused and names them."""

import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from router.api.form import read_form
from router.content import ContentStore
from router.errors import MalformedError
from schemas.dispatch import Submission
from schemas.errors import InvalidError

LETTER = {"notation": "1/CV", "subject": "Về việc", "issuer": "LCA.VP", "addressees": ["LCA.02"]}
LONG = "Báo cáo " * 40
NAMES = st.sampled_from(
    ["a.pdf", "a?.pdf", "a*.pdf", "A.pdf", f"{LONG}1.pdf", f"{LONG}2.pdf", "con", "_con", "x.lnk", "..", "...", "-r"]
) | st.text(min_size=1, max_size=8).filter(str.isprintable)


async def body_of(letter: dict[str, Any], files: list[tuple[str, bytes]]) -> AsyncIterator[bytes]:
    yield b'--B\r\nContent-Disposition: form-data; name="dispatch"\r\n\r\n' + json.dumps(letter).encode()
    for name, data in files:
        encoded = "".join(f"%{byte:02X}" for byte in name.encode())
        head = f"Content-Disposition: form-data; name=file; filename*=UTF-8''{encoded}"
        yield f"\r\n--B\r\n{head}\r\n\r\n".encode() + data
    yield b"\r\n--B--\r\n"


async def submitted(directory: Path, files: list[tuple[str, bytes]], **fields: Any) -> tuple[Submission, ContentStore]:
    store = ContentStore(directory, reserve_bytes=0)
    kind = "multipart/form-data; boundary=B"
    body = body_of(LETTER | fields, files)
    return await read_form(body, kind, content=store, max_file_bytes=1000), store


@settings(max_examples=60, deadline=None)
@given(st.lists(NAMES, max_size=6), st.booleans())
@example(names=["a?.pdf", "a*.pdf"], listed=False)
@example(names=["a?.pdf", "a*.pdf"], listed=True)
@example(names=[f"{LONG}1.pdf", f"{LONG}2.pdf"], listed=False)
async def test_files_in_are_files_out_or_refused_by_name(names: list[str], listed: bool) -> None:  # noqa: FBT001 - hypothesis draws it
    files = [(name, f"bytes {number}".encode()) for number, name in enumerate(names)]
    fields = {"attachments": [{"name": name} for name in names]} if listed else {}
    refusal = ""
    with tempfile.TemporaryDirectory() as directory:
        try:
            submission, store = await submitted(Path(directory), files, **fields)
        except InvalidError as error:
            refusal = str(error)
        found = [] if refusal else [store.path(file.sha256).read_bytes() for file in submission.attachments]
    if refusal:
        assert "name" in refusal
        return
    assert found == [data for _, data in files]
    assert len({file.name for file in submission.attachments}) == len(files)


@pytest.mark.parametrize("attachments", [[], [{"name": "a_b.pdf"}]])
async def test_two_files_that_would_be_called_the_same_are_both_named(tmp_path: Path, attachments: list[Any]) -> None:
    with pytest.raises(InvalidError) as caught:
        await submitted(tmp_path, [("a?b.pdf", b"1"), ("a*b.pdf", b"2")], attachments=attachments)
    (problem,) = caught.value.problems
    assert "part 2 ('a?b.pdf') and part 3 ('a*b.pdf') would both be called 'a_b.pdf'" in problem.problem


async def test_two_long_names_that_differ_at_their_end_are_two_files(tmp_path: Path) -> None:
    submission, _ = await submitted(tmp_path, [(f"{LONG}1.pdf", b"1"), (f"{LONG}2.pdf", b"2")])
    first, second = (file.name for file in submission.attachments)
    assert (first[-5:], second[-5:]) == ("1.pdf", "2.pdf")


async def test_a_listed_file_that_did_not_come_is_said_not_to_have_come(tmp_path: Path) -> None:
    with pytest.raises(InvalidError) as caught:
        await submitted(tmp_path, [("a.pdf", b"1")], attachments=[{"name": "a.pdf"}, {"name": "b.pdf"}, {"name": "c"}])
    assert [item.field for item in caught.value.problems] == ["attachments.1", "attachments.2"]
    assert "the file 'b.pdf' did not come" in caught.value.problems[0].problem


async def test_a_file_name_of_invisible_characters_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="invisible"):
        await submitted(tmp_path, [("\u200b\u3164", b"1")])


async def test_a_part_that_is_no_file_is_refused_by_its_number(tmp_path: Path) -> None:
    with pytest.raises(MalformedError, match=r"part 3 \(''\) is no file"):
        await submitted(tmp_path, [("a.pdf", b"1"), ("", b"2")])
