"""The organisation's time zone, one setting of routers and gateways: whose day it is, and how times are printed."""

import os
from datetime import datetime
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from schemas.settings import CONFIG_VARIABLE, SECRETS_VARIABLE, ProgramSettings


def _known_zone(name: str) -> str:
    try:
        return ZoneInfo(name).key
    except (OSError, ValueError, LookupError):
        raise ValueError(f"{name!r} is no time zone of the IANA database; write it as Asia/Ho_Chi_Minh") from None


class ZoneSettings(ProgramSettings):
    """Where the organisation is; every program on every machine reads the same setting."""

    timezone: Annotated[str, AfterValidator(_known_zone)] = Field(
        default="Asia/Ho_Chi_Minh",
        description="IANA name of the organisation's zone, the same at the router and at its gateways, whatever the "
        "machine's own is: whose day decides which units exist and names folders of the inbox, in which every time is "
        "shown and printed, and in which commands read a time without an offset.",
    )


def zone() -> ZoneInfo:
    """The zone of the organisation."""
    return _zone(*(os.environ.get(name) for name in ("CONGVAN_TIMEZONE", CONFIG_VARIABLE, SECRETS_VARIABLE)))


def local_time(ms: int | None) -> str:
    """A stored time as it is printed: in the organisation's zone, to the second; empty when there is none."""
    return "" if ms is None else f"{datetime.fromtimestamp(ms / 1000, zone()):%Y-%m-%d %H:%M:%S}"


@lru_cache(maxsize=1)
def _zone(*_environment: str | None) -> ZoneInfo:
    """Read once for what the environment says: a log prints thousands of times."""
    return ZoneInfo(ZoneSettings().timezone)
