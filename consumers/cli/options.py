"""What the gateway's commands have in common: their options, the settings and the spool these lead to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:  # for names alone: the help must not wait for the database's library
    from consumers.reading.inbox import InboxEntry
    from consumers.settings import GatewaySettings
    from consumers.spool import Spool

DataDir = Annotated[Path | None, typer.Option(help="The gateway's data directory; else CONGVAN_GATEWAY_DATA_DIR.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line instead.")]
OfUnit = Annotated[str, typer.Option(help="Of this unit only, where the gateway hosts several.")]


def settings_with(**options: Any) -> GatewaySettings:
    """The settings, with the options that were given in their place.

    Raises:
        ValidationError: a value is wrong.
    """
    from consumers.settings import GatewaySettings

    return GatewaySettings(**{name: value for name, value in options.items() if value is not None})


@contextmanager
def opened_spool(data_dir: Path | None, *, to_read: bool = False) -> Iterator[Spool]:
    """The spool of a gateway that has run here; ``to_read``: for reading alone.

    Raises:
        SpoolMissingError: there is none.
        SpoolUnavailableError: it cannot be read now.
    """
    from consumers.errors import SpoolMissingError
    from consumers.spool.store import FILE_NAME, open_spool, open_to_read

    directory = settings_with(data_dir=data_dir).data_dir
    if not (directory / FILE_NAME).exists():
        raise SpoolMissingError(f"no gateway has run with {directory}; name its directory by CONGVAN_GATEWAY_DATA_DIR")
    spool = open_to_read(directory) if to_read else open_spool(directory)
    try:
        yield spool
    finally:
        spool.close()


def the_one(spool: Spool, text: str, *, unit: str) -> InboxEntry:
    """The document that a person means.

    Raises:
        UnknownDeliveryError: none fits.
        AmbiguousDeliveryError: several fit.
    """
    from consumers.errors import AmbiguousDeliveryError, UnknownDeliveryError
    from consumers.reading.inbox import find_entries

    found = find_entries(spool, text, unit=unit)
    if not found:
        raise UnknownDeliveryError(f"the inbox has no document {text!r}; `congvan gateway inbox` lists them")
    if len(found) > 1:
        ids = ", ".join(f"{entry.delivery_id} ({entry.unit}, {entry.notation})" for entry in found)
        raise AmbiguousDeliveryError(f"{text!r} fits several documents; say which by its id: {ids}")
    return found[0]
