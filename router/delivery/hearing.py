"""Since when this router hears what gateways say: silence from before proves nothing."""

from router.broker import SessionState
from router.ledger.writer import Writer
from schemas.clock import Clock, now_ms


class Hearing:
    """One time for all who judge whether a gateway is silent.

    What a gateway says waits in the broker while this router is not connected, and here while the ledger takes no
    changes. So it counts from when both were there; while one is not, it is the present.

    Args:
        writer: the ledger's group commit; None: the ledger is always there.
        clock: the present.
    """

    def __init__(self, writer: Writer | None = None, *, clock: Clock = now_ms) -> None:
        self._writer = writer
        self._clock = clock
        self._up_at: int | None = None
        self._anew_at = 0
        if writer is not None:
            writer.on_back = self.begin_anew

    @property
    def is_connected(self) -> bool:
        """Whether the broker gives us what is said."""
        return self._up_at is not None

    @property
    def since_ms(self) -> int:
        """Since when everything is heard, UTC ms."""
        if self._up_at is None or (self._writer is not None and not self._writer.available):
            return self._clock()
        return max(self._up_at, self._anew_at)

    def on_session(self, state: SessionState) -> None:
        """The router's session came up or was lost."""
        self._up_at = self._clock() if state is SessionState.UP else None

    def begin_anew(self) -> None:
        """What was said could not be written down for a while; may be called in any thread."""
        self._anew_at = self._clock()
