"""Documents as a sink gets them, their files on the disk."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from consumers.sinks.base import Document, DocumentFile
from schemas.attachment import TravellingAttachment
from schemas.clock import now_ms
from schemas.descriptor import Descriptor
from schemas.ids import new_id
from schemas.trace import new_traceparent

LETTER = "Về việc tăng cường phòng, chống rét đậm, rét hại"
FILES: Mapping[str, bytes] = {"Công văn 123.pdf": b"%PDF-1.4 " + b"p" * 5000, "phụ lục.docx": b"PK" + b"d" * 300}


def make_document(
    directory: Path,
    *,
    unit: str = "LCA.02.05",
    delivery_id: str = "",
    subject: str = LETTER,
    notation: str = "123-CV/TU",
    files: Mapping[str, bytes] = FILES,
) -> Document:
    """A document whose files lie in ``directory`` under their hashes, as in a spool."""
    directory.mkdir(parents=True, exist_ok=True)
    kept = tuple(_keep(directory, name, content) for name, content in files.items())
    attachments = tuple(
        TravellingAttachment(name=file.name, media_type=file.media_type, size=file.size, sha256=file.sha256)
        for file in kept
    )
    descriptor = Descriptor(id=new_id(), notation=notation, subject=subject, issuer="LCA.VP", attachments=attachments)
    return Document(
        delivery_id=delivery_id or new_id(),
        unit=unit,
        seq=7,
        descriptor=descriptor,
        received_at=now_ms(),
        files=kept,
        traceparent=new_traceparent(),
    )


def _keep(directory: Path, name: str, content: bytes) -> DocumentFile:
    digest = hashlib.sha256(content).hexdigest()
    path = directory / digest
    path.write_bytes(content)
    return DocumentFile(name=name, path=path, media_type="application/pdf", size=len(content), sha256=digest)


def visible(unit_directory: Path) -> list[Path]:
    """What a person sees in a unit's inbox."""
    if not unit_directory.exists():
        return []
    return sorted(path for path in unit_directory.iterdir() if not path.name.startswith("."))
