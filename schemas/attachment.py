"""An attachment: its name is its SHA-256; what people call it is beside that."""

import hashlib
import mimetypes
from collections.abc import Iterable
from typing import Annotated, Self

from pydantic import AfterValidator, Base64Bytes, Field, StringConstraints, WithJsonSchema, model_validator

from schemas.model import Travelling
from schemas.text import file_name

OTHER_TYPE = "application/octet-stream"
MAX_ATTACHMENT_BYTES = 2 * 1024**3
Size = Annotated[int, Field(ge=0, le=MAX_ATTACHMENT_BYTES)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, StringConstraints(min_length=1, max_length=1000), AfterValidator(file_name)]
MediaType = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9.+-]{1,60}/[A-Za-z0-9.+_-]{1,80}$", to_lower=True)]

Inline = Annotated[Base64Bytes, WithJsonSchema({"type": "string", "contentEncoding": "base64"})]


def media_type_of(file_name: str) -> str:
    """What a file's name says that it is.

    >>> media_type_of("a.pdf"), media_type_of("a.tar.gz")
    ('application/pdf', 'application/octet-stream')
    """
    found, encoding = mimetypes.guess_type(file_name)
    return found if found and not encoding else OTHER_TYPE


class Attachment(Travelling):
    """A file of a dispatch: what it is called, what it is, how many bytes, and the SHA-256 that names its content."""

    name: FileName
    """What people call the file."""
    media_type: MediaType = OTHER_TYPE
    """What it is, as the sender says."""
    size: Size
    """Bytes."""
    sha256: Sha256
    """Of its bytes, in lower-case hex: the name of its content."""


class Listed(Travelling):
    """An attachment as a letter may list it whose files lie beside it: its name, and what is worth checking."""

    name: FileName
    """What people call the file."""
    media_type: MediaType | None = None
    """What it is; else the name says."""
    size: Annotated[int, Field(ge=0)] | None = None
    """Bytes; checked when given."""
    sha256: Sha256 | None = None
    """Checked when given."""


class Forms(Travelling):
    """In what forms a content is kept to travel, besides the plain one: the bytes of each.

    They are given beforehand so that a gateway knows how much is to come; what it gets is decided when it asks.
    """

    zstd_size: Size | None = None
    """As ``Content-Encoding: zstd``."""
    dcz_size: Size | None = None
    """As ``Content-Encoding: dcz``, for those who hold ``dictionary``."""
    dictionary: Sha256 | None = None
    """The SHA-256 of an earlier attachment."""

    @model_validator(mode="after")
    def _a_dictionary_has_its_size(self) -> Self:
        if (self.dcz_size is None) is not (self.dictionary is None):
            raise ValueError("dcz_size and dictionary go together")
        return self


PLAIN = Forms()


class TravellingAttachment(Attachment, Forms):
    """An attachment inside a descriptor; a small one carries its bytes with it (base64)."""

    inline: Inline | None = None
    """Its bytes, of a file that is small enough to ride inside the message."""

    @property
    def forms(self) -> Forms:
        """The forms it is kept in, alone."""
        return Forms(zstd_size=self.zstd_size, dcz_size=self.dcz_size, dictionary=self.dictionary)

    @model_validator(mode="after")
    def _inline_is_what_it_says(self) -> Self:
        if self.inline is not None and hashlib.sha256(self.inline).hexdigest() != self.sha256:
            raise ValueError("the inline bytes do not have the SHA-256 that names them")
        return self


def content_digest(attachments: Iterable[Attachment]) -> str:
    """The SHA-256 of a dispatch's content as a whole: of its attachments' hashes in order, a line each.

    A receipt carries it, so sender and receiver can show that they hold the same bytes.
    """
    return hashlib.sha256("".join(f"{item.sha256}\n" for item in attachments).encode()).hexdigest()
