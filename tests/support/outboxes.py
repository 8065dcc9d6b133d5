"""Documents that a unit sends, as people put them into the outbox."""

from pathlib import Path
from typing import Any

import orjson

from schemas.ids import new_id


def put_out(outbox: Path, name: str, files: dict[str, bytes] | None = None, **letter: Any) -> Path:
    """A folder that appears in an outbox by a rename; ``letter`` replaces fields of the letter."""
    outbox.mkdir(parents=True, exist_ok=True)
    new = outbox / f".new-{new_id()}"
    new.mkdir()
    written = {"notation": "15/BC-UBND", "subject": "Báo cáo tuần", "addressees": ["LCA.02"]} | letter
    (new / "dispatch.json").write_bytes(orjson.dumps(written))
    for file_name, data in (files or {}).items():
        (new / file_name).write_bytes(data)
    return new.rename(outbox / name)
