"""What is known of an upload: as it was announced, and how far it has come."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from schemas.attachment import Sha256


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """What one account may have unfinished at a time.

    Args:
        largest: bytes of one upload.
        uploads: how many.
        total: bytes that all of them together announce.
        expire_after: seconds without a new byte after which one is removed.
    """

    largest: int
    uploads: int
    total: int
    expire_after: float


class Announced(BaseModel):
    """What the sender said when it began; kept as a JSON file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sha256: Sha256
    length: Annotated[int, Field(ge=0)]
    metadata: str
    """The header ``Upload-Metadata`` as it came."""


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload as it stands.

    Args:
        announced: see there.
        offset: bytes that are on the disk, not only in its cache.
        expires_at: when it is removed unless more comes, in seconds since 1970.
    """

    announced: Announced
    offset: int
    expires_at: float

    @property
    def whole(self) -> bool:
        """Whether all bytes are there."""
        return self.offset == self.announced.length
