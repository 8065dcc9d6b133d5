"""Whether a checkpoint of the centre's log goes on from what was seen of it before."""

from collections.abc import Sequence
from dataclasses import replace

from consumers.spool.log_seen import LogSeen
from schemas.trust.checkpoints import Checkpoint
from schemas.trust.merkle import proves_consistency


def differs(seen: LogSeen, new: Checkpoint) -> str:
    """What does not fit, without any proof; empty: nothing."""
    if new.size < seen.size:
        return f"it has {new.size} entries, and had {seen.size} before"
    if new.size == seen.size and seen.size and new.root != seen.root:
        return f"its first {new.size} entries are others than before"
    return ""


def goes_on(seen: LogSeen, proof: Sequence[bytes]) -> bool:
    """Whether a proof shows that the newest begins with what was proved before."""
    return proves_consistency(seen.proved_size, seen.proved_root, seen.size, seen.root, proof)


def taken(seen: LogSeen, new: Checkpoint) -> LogSeen:
    """With a checkpoint that fits as the newest."""
    return replace(seen, size=new.size, root=new.root)


def proved(seen: LogSeen, at: int) -> LogSeen:
    """With the newest as the last that was proved."""
    return replace(seen, proved_size=seen.size, proved_root=seen.root, proved_at=at)


def alarmed(seen: LogSeen, why: str, at: int) -> LogSeen:
    """With what does not fit; the first alarm stays until somebody has looked at it."""
    return seen if seen.alarm else replace(seen, alarm=why, alarm_at=at)
