"""A form is cut into the same parts however its bytes are cut into chunks."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.api.form import merge
from router.errors import ContentMismatchError
from router.pages.multipart import FormReader, MultipartError, PartEnd, PartHead
from schemas.attachment import Attachment, Listed

Part = tuple[PartHead, bytes]


def body_of(parts: list[bytes]) -> bytes:
    heads = (b'--B\r\nContent-Disposition: form-data; name="f"; filename="%d"\r\n\r\n' % n for n in range(len(parts)))
    return b"".join(head + part + b"\r\n" for head, part in zip(heads, parts, strict=True)) + b"--B--\r\n"


def read(chunks: list[bytes]) -> list[Part]:
    reader = FormReader("multipart/form-data; boundary=B")
    parts: list[tuple[PartHead, bytearray]] = []
    for chunk in chunks:
        for piece in reader.feed(chunk):
            if isinstance(piece, PartHead):
                parts.append((piece, bytearray()))
            elif not isinstance(piece, PartEnd):
                parts[-1][1].extend(piece)
    reader.finish()
    return [(head, bytes(data)) for head, data in parts]


content = st.lists(st.sampled_from([b"\r\n", b"--B", b"-", b"\r", b"x", b"\0"]), max_size=8).map(b"".join)
# A part that holds the boundary would be another body.
contents = st.lists(content.filter(lambda part: b"\r\n--B" not in b"\r\n" + part), min_size=1)


@settings(max_examples=200)
@given(contents, st.integers(1, 30))
def test_the_parts_are_the_same_for_any_cutting_of_the_body(parts: list[bytes], step: int) -> None:
    body = body_of(parts)
    pieces = read([body[start : start + step] for start in range(0, len(body), step)])
    assert [data for _, data in pieces] == parts
    assert [head.file_name for head, _ in pieces] == [str(number) for number in range(len(parts))]


@given(contents, st.data())
def test_a_body_cut_short_is_never_taken_for_whole(parts: list[bytes], data: st.DataObject) -> None:
    body = body_of(parts)
    cut = data.draw(st.integers(0, len(body) - len(b"--\r\n") - 1))
    with pytest.raises(MultipartError):
        read([body[:cut]])


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('filename="Quyết định.pdf"', "Quyết định.pdf"),
        ('filename="Quy%E1%BA%BFt.pdf"', "Quyết.pdf"),
        ('filename="a \\"b\\".pdf"', 'a "b".pdf'),
        ('filename="a%22b.pdf"', 'a"b.pdf'),
    ],
)
def test_a_file_name_is_read_plain_or_percent_encoded(header: str, name: str) -> None:
    head = f'--B\r\nContent-Disposition: form-data; name="f"; {header}\r\n\r\nx\r\n--B--\r\n'
    assert read([head.encode()])[0][0].file_name == name


def file(name: str, data: bytes = b"x") -> Attachment:
    return Attachment(name=name, size=len(data), sha256=hashlib.sha256(data).hexdigest())


def test_listed_attachments_come_first_then_the_other_files() -> None:
    merged = merge([Listed(name="b"), Listed(name="c", media_type="text/plain")], [file("a"), file("b"), file("c")])
    assert [(item["name"], item["media_type"]) for item in merged] == [
        ("b", "application/octet-stream"),
        ("c", "text/plain"),
        ("a", "application/octet-stream"),
    ]


def test_two_files_of_one_name_are_both_kept_so_that_the_schema_can_refuse_them() -> None:
    assert len(merge([], [file("a", b"1"), file("a", b"2")])) == 2


def test_a_file_other_than_the_listed_one_is_refused_with_its_fields() -> None:
    with pytest.raises(ContentMismatchError) as caught:
        merge([Listed(name="a", size=7)], [file("a")])
    assert [item.field for item in caught.value.problems] == ["attachments.0.size"]
