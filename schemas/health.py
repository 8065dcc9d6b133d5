"""What a gateway says of itself besides its line: whom it cannot hand documents over to, and how its disk stands.

It travels as JSON in the header ``health`` of a hello, not in its body: a router that does not know it reads the hello
as ever. It comes when it has changed and with every hello in full; a hello without it says that nothing has changed. A
reader passes over fields and codes that it does not know, and over a text that is none of this.
"""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from schemas.codes import UnitCode
from schemas.reasons import ReasonCode, known_code
from schemas.text import OneLine

HEADER_HEALTH = "health"
HEADER_SPOOL = "Congvan-Spool"
"""With its request for the list of its units a gateway says which spool is its own."""
HEADER_REPLACES = "Congvan-Replaces"
"""And which spool lay in the same place before: it can no longer work, so nobody waits for its silence."""
HEADER_REPLACED = "replaces"
"""The same in the headers of a hello."""
HEADER_ELSEWHERE = "Congvan-Held-Elsewhere"
"""The answer names the units, with commas between, for which another living spool works; or says :data:`EVERYWHERE`."""
HEADER_BEFORE = "Congvan-Held-Before"
"""The answer names, in the same way, the units for which another spool worked before: this one lacks their books."""
EVERYWHERE = "*"
MAX_TROUBLES = 20
MAX_UNITS = 200
"""Units named in one trouble; of more, only these are named."""
MAX_CERTIFICATES = 8
MAX_HEALTH_BYTES = 16 * 1024
MAX_WHY = 300


class Trouble(BaseModel):
    """Why documents wait in the gateway, for which units, and for how many seconds already."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    code: Annotated[str, Field(max_length=40)]
    units: Annotated[tuple[UnitCode, ...], Field(max_length=MAX_UNITS)] = ()
    """Empty: all that the gateway hosts."""
    seconds: Annotated[int, Field(ge=0, le=10 * 366 * 86_400)] = 0
    why: Annotated[OneLine, Field(max_length=MAX_WHY)] = ""

    @property
    def known(self) -> ReasonCode | None:
        """The code, when this program knows it."""
        return known_code(self.code)


class CertificateDays(BaseModel):
    """How long a certificate is good that a gateway shows, or is shown."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    which: Annotated[str, Field(max_length=20)]
    """``client``: the gateway's own; ``broker`` and ``origin``: those of the servers it sees. There may be others."""
    days: Annotated[int, Field(ge=-100_000, le=100_000)]
    """Until its end; negative after it."""


class Health(BaseModel):
    """How a gateway stands; without ``troubles`` it hands over what comes."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    troubles: Annotated[tuple[Trouble, ...], Field(max_length=MAX_TROUBLES)] = ()
    disk_free: Annotated[int, Field(ge=0, le=2**63 - 1)] | None = None
    """Bytes beside the spool, above the reserve that stays."""
    certificates: Annotated[tuple[CertificateDays, ...], Field(max_length=MAX_CERTIFICATES)] = ()

    def encode(self) -> str:
        """As it travels; the last troubles are left out when it would be too long."""
        troubles: Sequence[Trouble] = self.troubles
        while True:
            text = self.model_copy(update={"troubles": tuple(troubles)}).model_dump_json(exclude_defaults=True)
            if len(text.encode()) <= MAX_HEALTH_BYTES:
                return text
            troubles = troubles[:-1]


def read_health(text: object) -> Health | None:
    """What a header says; None when there is none, or none that can be read."""
    if not isinstance(text, str) or len(text.encode()) > MAX_HEALTH_BYTES:
        return None
    try:
        return Health.model_validate_json(text)
    except ValidationError:
        return None
