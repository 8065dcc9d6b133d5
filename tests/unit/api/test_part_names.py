"""The name of a file arrives as its sender meant it, whatever program sent it, or the part is refused by its number."""

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.pages.disposition import DispositionError, read_disposition
from router.pages.multipart import FormReader, MultipartError, PartHead

TABLE = tomllib.loads((Path(__file__).parent / "what_clients_send.toml").read_text("utf-8"))["part"]
ARRIVES = [item for item in TABLE if "arrives" in item]
REFUSED = [item for item in TABLE if "refused" in item]
NAMES = st.text(min_size=1).filter(lambda text: text.isprintable())


def sent(item: dict[str, Any]) -> bytes:
    return str(item["sent_latin1"]).encode("latin-1") if "sent_latin1" in item else str(item["sent"]).encode()


def head_of(headers: bytes) -> PartHead:
    (head, *_) = FormReader("multipart/form-data; boundary=B").feed(b"--B\r\n" + headers + b"\r\n\r\nx\r\n--B--\r\n")
    assert isinstance(head, PartHead)
    return head


def named(value: bytes) -> str | None:
    return head_of(b"Content-Disposition: " + value).file_name


@pytest.mark.parametrize("item", ARRIVES, ids=[f"{item['client']}: {item['arrives']}" for item in ARRIVES])
def test_what_a_client_sends_arrives_as_it_was_meant(item: dict[str, Any]) -> None:
    assert named(sent(item)) == item["arrives"]


@pytest.mark.parametrize("item", REFUSED, ids=[item["client"] for item in REFUSED])
def test_what_cannot_be_read_is_refused_by_the_parts_number(item: dict[str, Any]) -> None:
    with pytest.raises(MultipartError, match=r"part 1 ") as caught:
        named(sent(item))
    assert item["refused"] in str(caught.value)


# A browser says nothing of these: `%22` may have been a quotation mark, and so on.
AMBIGUOUS = ("\\", "=?", "%22", "%0D", "%0A", "%0d", "%0a")


@given(NAMES.filter(lambda name: not any(text in name for text in AMBIGUOUS)))
def test_any_name_as_a_browser_writes_it_arrives(name: str) -> None:
    name = f"{name} tệp"  # in ASCII without a space it would be read as RFC 7578 encodes
    written = name.replace('"', "%22")
    assert named(f'form-data; name="file"; filename="{written}"'.encode()) == name


@given(NAMES)
def test_any_name_as_rfc_8187_writes_it_arrives(name: str) -> None:
    encoded = "".join(f"%{byte:02X}" for byte in name.encode())
    assert named(f"form-data; name=file; filename=x; filename*=UTF-8''{encoded}".encode()) == name


@given(NAMES)
def test_any_name_as_rfc_7578_writes_it_arrives(name: str) -> None:
    encoded = "".join(f"%{byte:02X}" for byte in name.encode())
    assert named(f'form-data; name="file"; filename="{encoded}"'.encode()) == name


@given(st.binary())
def test_any_bytes_are_read_or_refused(value: bytes) -> None:
    try:
        read_disposition(b"form-data; " + value)
    except DispositionError:
        return


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "Base64"])
def test_a_file_that_comes_as_a_text_of_it_is_refused_by_its_name(encoding: str) -> None:
    head = f'Content-Disposition: form-data; name="f"; filename="a.pdf"\r\nContent-Transfer-Encoding: {encoding}'
    with pytest.raises(MultipartError, match=r"part 1 \('a.pdf'\).*send its bytes plain"):
        head_of(head.encode())


@pytest.mark.parametrize("encoding", ["binary", "8bit", "7bit"])
def test_a_transfer_encoding_that_changes_nothing_is_taken(encoding: str) -> None:
    head = f'Content-Disposition: form-data; name="f"; filename="a.pdf"\r\nContent-Transfer-Encoding: {encoding}'
    assert head_of(head.encode()).file_name == "a.pdf"
