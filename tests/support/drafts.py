"""Documents that are written at a desk, as its acts take them."""

import hashlib
from datetime import date
from pathlib import Path
from typing import Any

from consumers.reading.dispatching import ReadyLetter
from consumers.reading.drafting import BroughtFile, SeenDraft, save_draft
from consumers.reading.handling import Acting
from consumers.spool import Spool
from consumers.spool.drafts import Draft, DraftFile, DraftWords
from consumers.spool.people import Card
from schemas.attachment import Attachment
from schemas.clock import now_ms
from schemas.dispatch import Submission
from schemas.ids import new_id
from schemas.register import RegisterFields
from support.deliveries import UNIT

HOA = Card("hoa", "Nguyễn Thị Hoa", "Văn thư", "Văn phòng")
CLERK = Acting(HOA, now_ms(), {UNIT}, "10.0.0.5")
DAY = date(2026, 11, 29)
ENTRY = RegisterFields(day=DAY, subject="Báo cáo tuần", notation="1/BC", recipients="Huyện ủy")


def brought(directory: Path, name: str, data: bytes = b"%PDF-1.4") -> BroughtFile:
    """A file that has come whole."""
    path = directory / f"upload-{new_id()}"
    path.write_bytes(data)
    file = DraftFile(name, "application/pdf", hashlib.sha256(data).hexdigest(), len(data))
    return BroughtFile(file, path)


def written(spool: Spool, *files: BroughtFile, draft_id: str = "", version: int = 0, **words: Any) -> Draft:
    """A draft as it was saved."""
    said: dict[str, Any] = {"unit": UNIT, "notation": "1/BC", "subject": "Báo cáo tuần", "fields": "{}"} | words
    saved = save_draft(spool, SeenDraft(draft_id or new_id(), version), DraftWords(**said), CLERK, files)
    assert saved is not None
    return saved[0]


def letter(*files: BroughtFile, **fields: Any) -> Submission:
    """What is handed in of a draft."""
    attachments = tuple(
        Attachment(name=item.file.name, media_type=item.file.media_type, size=item.file.size, sha256=item.file.sha256)
        for item in files
    )
    given = {"notation": "1/BC", "subject": "Báo cáo tuần", "issuer": UNIT, "addressees": ("LCA.02",)}
    return Submission.model_validate(given | {"attachments": attachments} | fields)


def ready(draft: Draft, *files: BroughtFile, number: int | None = None, **fields: Any) -> ReadyLetter:
    """A draft that is to be sent, entered in the book."""
    return ReadyLetter(draft, letter(*files, **fields), ENTRY, number)
