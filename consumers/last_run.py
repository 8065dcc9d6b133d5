"""What the gateway of a data directory last ran with: so commands need no setting but that directory."""

from pathlib import Path
from typing import Any

import orjson

from consumers.settings import GatewaySettings

FILE_NAME = "gateway.json"
_SHARED = frozenset({"units", "outbox_dir", "max_document_bytes"})
"""What decides which documents are sent from here, and where they are put for that."""


def remember(settings: GatewaySettings) -> None:
    """Write down what a gateway runs with; it holds its directory's lock."""
    shared = settings.model_dump(mode="json", include=set(_SHARED))
    if settings.outbox_dir is not None:
        shared["outbox_dir"] = str(settings.outbox_dir.absolute())
    path = _path(settings.data_dir)
    new = path.with_suffix(".new")
    new.write_bytes(orjson.dumps(shared))
    new.replace(path)


def completed(settings: GatewaySettings) -> GatewaySettings:
    """The settings as they are given, and where they are not, as the gateway of their directory last ran.

    Raises:
        ValidationError: the file holds something else; the gateway writes it anew when it starts.
    """
    try:
        shared: dict[str, Any] = orjson.loads(_path(settings.data_dir).read_bytes())
    except FileNotFoundError:
        return settings
    given = {name: getattr(settings, name) for name in settings.model_fields_set}
    return GatewaySettings(**{name: shared[name] for name in _SHARED if name in shared} | given)


def _path(data_dir: Path) -> Path:
    return data_dir / FILE_NAME
