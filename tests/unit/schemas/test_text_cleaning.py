"""Text from outside is clean after validation, and a file name is one safe path component."""

import unicodedata
from pathlib import PureWindowsPath
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from schemas.attachment import FileName
from schemas.text import MAX_FILE_NAME_BYTES, Name, Notation, OneLine, Paragraphs, fold, is_seen, safe_file_name

LINE: TypeAdapter[str] = TypeAdapter(OneLine)
NAME: TypeAdapter[str] = TypeAdapter(Name)
PARAGRAPHS: TypeAdapter[str] = TypeAdapter(Paragraphs)
DECOMPOSED = unicodedata.normalize("NFD", "Nghị quyết")


def test_text_is_kept_in_nfc() -> None:
    assert LINE.validate_python(DECOMPOSED) == "Nghị quyết"


@pytest.mark.parametrize("char", ["\x00", "\x07", "\n", "\r", "\t", "\x85", "\u2028", "\u2029", "\u202e", "\u2066"])
def test_an_invisible_character_in_a_line_is_refused_by_its_code_point(char: str) -> None:
    with pytest.raises(ValidationError, match=f"U\\+{ord(char):04X}"):
        LINE.validate_python(f"a{char}b")


def test_paragraphs_keep_line_feeds_and_tabs_and_nothing_else_invisible() -> None:
    assert PARAGRAPHS.validate_python(" một\r\nhai\tba\n") == "một\nhai\tba"
    with pytest.raises(ValidationError):
        PARAGRAPHS.validate_python("một\rhai")
    with pytest.raises(ValidationError):
        PARAGRAPHS.validate_python("một\u202ehai")


@pytest.mark.parametrize("empty", ["", " ", "\u3000"])
def test_a_name_that_is_empty_when_cleaned_is_refused(empty: str) -> None:
    with pytest.raises(ValidationError):
        NAME.validate_python(empty)


def test_a_name_is_measured_as_it_will_be_stored() -> None:
    assert len(NAME.validate_python(unicodedata.normalize("NFD", "ề" * 200))) == 200
    with pytest.raises(ValidationError):
        NAME.validate_python("\u0958" * 150)  # in NFC two characters each


@given(st.text())
def test_a_line_that_is_let_in_is_let_in_unchanged_again(text: str) -> None:
    try:
        clean = LINE.validate_python(text)
    except ValidationError:
        return
    assert LINE.validate_python(clean) == clean
    assert clean == clean.strip()
    assert unicodedata.is_normalized("NFC", clean)


@pytest.mark.parametrize(
    ("given_name", "safe"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", "attachment"),
        ("", "attachment"),
        (". .", "attachment"),
        ("C:\\Windows\\a.exe", "C__Windows_a.exe"),
        ("hoá\u202efdp.exe", "hoá_fdp.exe"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("aux .pdf", "_aux .pdf"),
        ("com¹.log", "_com¹.log"),
        ("console.log", "console.log"),
        (".htaccess", "htaccess"),
        ("a\x00b\x9fc\u2028d", "a_b_c_d"),
        ("báo cáo. ", "báo cáo"),
        (unicodedata.normalize("NFD", "Nghị quyết.pdf"), "Nghị quyết.pdf"),
        ("-rf.pdf", "_-rf.pdf"),
        ("desktop.ini", "_desktop.ini"),
        ("AutoRun.inf", "_AutoRun.inf"),
        ("Công văn.lnk", "Công văn.lnk_"),
        ("a.URL", "a.URL_"),
        ("-x.lnk", "_-x.lnk_"),
    ],
)
def test_a_hostile_file_name_becomes_harmless(given_name: str, safe: str) -> None:
    assert safe_file_name(given_name) == safe


def test_an_overlong_file_name_is_cut_between_characters_and_keeps_its_ending() -> None:
    safe = safe_file_name("ề" * 300 + ".docx")
    assert safe.startswith("ềề")
    assert safe.endswith("ề.docx")
    assert MAX_FILE_NAME_BYTES - 6 < len(safe.encode()) <= MAX_FILE_NAME_BYTES


@given(st.text("aề. ", min_size=150, max_size=300), st.integers(0, 299), st.text("bđ", min_size=1, max_size=1))
def test_two_overlong_names_that_differ_anywhere_stay_two(name: str, place: int, char: str) -> None:
    other = name[:place] + char + name[place + 1 :]
    if other.strip(". ") == name.strip(". "):
        return
    assert safe_file_name(name) != safe_file_name(other)


@given(st.text() | st.text("./\\ :aề\u0301\ud800", max_size=300))
@example("a" * 199 + " b")
@example(". a")
@example("x" * 180 + "." + "y" * 30)
def test_a_safe_file_name_is_one_component_on_every_system_and_stays_as_it_is(name: str) -> None:
    safe = safe_file_name(name)
    assert safe_file_name(safe) == safe
    assert 1 <= len(safe.encode()) <= MAX_FILE_NAME_BYTES
    assert unicodedata.is_normalized("NFC", safe)
    assert not set(safe) & set('/\\:*?"<>|\0')
    assert safe.strip(" .") == safe.rstrip(" .") == safe
    assert PureWindowsPath(safe).parts == (safe,)
    assert not PureWindowsPath(safe).is_reserved()


@pytest.mark.parametrize(
    "text", ["\u200b", "\u3164", "\u2800", "\ufeff \u00ad", "\u0301", "\u115f\u1160", "\u200d" * 9]
)
@pytest.mark.parametrize("kind", [OneLine, Name, Paragraphs, Notation, FileName], ids=range(5))
def test_text_of_invisible_characters_alone_is_refused(kind: Any, text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(text)


@given(st.text())
def test_a_line_is_empty_or_shows(text: str) -> None:
    try:
        clean = LINE.validate_python(text)
    except ValidationError:
        return
    assert not clean or is_seen(clean)


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("123\u2011CV/TU", "123-CV/TU"),
        ("123\u2013CV/TU", "123-CV/TU"),
        ("123-CV\u00a0/ TU", "123-CV / TU"),
        ("123\u200b-CV/TU\ufeff", "123-CV/TU"),
        ("12\u00ad3-CV/TU", "123-CV/TU"),
    ],
)
def test_a_notation_out_of_a_word_processor_is_found_by_typing_it(written: str, typed: str) -> None:
    assert TypeAdapter(Notation).validate_python(written) == typed
    assert fold(written) == fold(typed)


def test_search_finds_without_accents_and_without_d_with_stroke() -> None:
    assert fold("Đường Tân Phong") == "duong tan phong"
    assert fold(DECOMPOSED) == fold("NGHỊ QUYẾT") == "nghi quyet"
