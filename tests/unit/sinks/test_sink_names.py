"""Names of files and directories that any text may ask for."""

from dataclasses import replace
from pathlib import Path, PurePath

from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from consumers.sinks.folder import directory_name
from consumers.sinks.reason import one_line
from consumers.sinks.record import clip, file_names
from schemas.text import OneLine
from support.documents import make_document

ANY_TEXT = st.text(max_size=400)
LIKELY = st.sampled_from(["a.pdf", "A.PDF", "dispatch.json", "Dispatch.JSON", "../x", "công văn.docx", ".", "..", ""])


@given(st.lists(ANY_TEXT | LIKELY, max_size=12))
def test_names_are_one_component_each_and_differ_on_any_file_system(wanted: list[str]) -> None:
    names = file_names(wanted)
    assert len(names) == len(wanted)
    assert len({name.casefold() for name in names}) == len(names)
    for name in names:
        assert PurePath(name).name == name
        assert not name.startswith(".")
        assert 1 <= len(name.encode()) <= 200
        assert name.casefold() != "dispatch.json"


@given(notation=ANY_TEXT, subject=ANY_TEXT)
def test_a_directory_s_name_is_one_component_and_ends_with_the_delivery(notation: str, subject: str) -> None:
    document = make_document(Path(), files={})
    letter = document.descriptor.model_copy(update={"notation": notation, "subject": subject})
    name = directory_name(replace(document, descriptor=letter), "UTC")
    assert PurePath(name).name == name
    assert name.endswith(document.delivery_id)
    assert len(name.encode()) <= 200


@given(ANY_TEXT, st.integers(min_value=0, max_value=60))
def test_a_clipped_text_is_a_beginning_within_its_bytes(text: str, limit: int) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    clipped = clip(text, limit)
    assert text.startswith(clipped)
    assert len(clipped.encode()) <= limit


@given(ANY_TEXT, st.integers(min_value=1, max_value=300))
def test_what_a_system_said_fits_a_receipt_s_reason(text: str, limit: int) -> None:
    line = one_line(text, limit)
    assert len(line) <= limit
    assert TypeAdapter(OneLine).validate_python(line) == line
