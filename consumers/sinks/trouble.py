"""What a sink says of an ``OSError``: whether this machine is to blame, the document, or the place it is handed to."""

from consumers.errors import SinkError, SinkRefusedError, SinkRetryError, SinkTroubleError
from router.process.fate import Fate, fate_of
from schemas.reasons import ReasonCode


def told(error: OSError, reason: str, *, local: bool, code: ReasonCode = ReasonCode.SINK_TROUBLE) -> SinkError:
    """How a failure is reported to the guard.

    Args:
        error: what failed.
        reason: a sentence for the unit's people.
        local: the sink is a place on this machine's disks and shares, so that a network that fails is the machine's.
        code: what the failure is called.
    """
    fate = fate_of(error)
    if fate is Fate.SHORT or (local and fate.passes):
        return SinkTroubleError(reason, code=code)
    return SinkRefusedError(reason, code=code) if fate is Fate.LASTING else SinkRetryError(reason, code=code)
