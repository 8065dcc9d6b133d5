"""What the line gives: its rate and round trip, measured on what is fetched, and the window that follows from them.

A window is what a server may send ahead of us. While a transfer is held back for urgent work, that much still comes
first; when the line drops, that much was sent for nothing. So on a thin line it is small. It must not limit the
transfer, though: two round trips' worth is the least, and where the line turns out to be fast there is none at all.
Measured at 33.6 kbit/s, 200 ms, 0.5 % loss: with a window of 8 kB a transfer gets 0.949 of the rate and urgent work
waits four seconds for what is on its way (twice the window), with 5.8 kB 0.942 and three.
"""

import time
from collections.abc import Callable

FIRST_WINDOW = 4 * 1448
"""Bytes, while nothing is known of the line: right for the thinnest, left behind in a moment on a fast one. Four full
segments are the least with which TCP notices a lost one without waiting: it takes three later ones to tell."""
LARGEST_WINDOW = 64 * 1024
"""Where a window would be larger there is none: the kernel scales it."""
FAST = 64_000
"""Bytes/s from which on a line is fast: what is held back there passes in a moment."""
NO_LONGER_FAST = 32_000
SAMPLE_SECONDS = 1.0
SAMPLE_BYTES = 128 * 1024
"""A sample of the rate ends after so long, or so much."""
SENT_BYTES = 2048
"""A burst of receipts measures the way up when it is so large: of a small one the round trip is all that is seen."""
PASSED_BYTES = 16 * 1024
"""What is sent in one request measures the way when it is so much: less may lie in buffers on the way."""
_WEIGHT = 0.3


class LinePace:
    """Measures the line.

    Args:
        rate: bytes/s, as it was measured last time; 0 when it never was. What is sent is measured anew, ``rate_up``.
        fixed_window: bytes that somebody has decided on; 0: measured.
        clock: seconds.
    """

    def __init__(
        self, rate: float = 0.0, *, fixed_window: int = 0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self.rate = rate
        self.rate_up = 0.0
        self.round_trip = 0.0
        self.fast = rate >= FAST
        self._fixed = bool(fixed_window)
        self.window = fixed_window or (0 if self.fast else FIRST_WINDOW)
        self._began = self._last = 0.0
        self._count = 0

    def moved(self, count: int) -> None:
        """So many bytes of content have come."""
        now = self._clock()
        if now - self._last > SAMPLE_SECONDS:  # a pause is no measure of the line, nor is what came at its end
            self._began, self._count = now, 0
        else:
            self._count += count
        self._last = now
        span = now - self._began
        if span < SAMPLE_SECONDS and (self._count < SAMPLE_BYTES or span <= 0):
            return
        sample, self._began, self._count = self._count / span, now, 0
        self._judge(sample)

    def sent(self, count: int, seconds: float) -> None:
        """So many bytes were sent at once, and confirmed after so long: the broker's own commit is in it."""
        passing = seconds - self.round_trip
        if count >= SENT_BYTES and passing > 0:
            sample = count / passing
            self.rate_up += (_WEIGHT if self.rate_up else 1.0) * (sample - self.rate_up)

    def passed(self, count: int, seconds: float) -> None:
        """So many bytes took so long altogether, the round trip of their answer included."""
        if count >= PASSED_BYTES and seconds > self.round_trip:
            self._judge(count / (seconds - self.round_trip))

    def round_trip_is(self, seconds: float) -> None:
        """A round trip on an idle line took so long."""
        if seconds > 0:
            self.round_trip = min(seconds, self.round_trip or seconds)

    def anew(self) -> None:
        """The line went, and the next one may be another: its window follows from what is known of the rate."""
        if not self._fixed:
            self.window = 0 if self.fast else enough(self.rate, self.round_trip)
        self.round_trip = 0.0

    def _judge(self, sample: float) -> None:
        self.rate = sample if not self.rate else self.rate + _WEIGHT * (sample - self.rate)
        self.fast = self.rate >= (NO_LONGER_FAST if self.fast else FAST)
        if self.window and not self._fixed:
            self.window = 0 if self.fast else wider(self.window, self.rate, self.round_trip)


def enough(rate: float, round_trip: float) -> int:
    """The window that does not limit a line of a known rate; 0 (none) where it would be above the largest.

    >>> enough(4_000, 0.25), enough(18_000, 0.6), enough(60_000, 0.6)
    (5792, 23168, 0)
    """
    window = FIRST_WINDOW
    while window and window < 2 * rate * round_trip:
        window = 2 * window if 2 * window <= LARGEST_WINDOW else 0
    return window


def wider(window: int, rate: float, round_trip: float) -> int:
    """The window, doubled when it is what limits the rate; 0 (none) above the largest.

    What fills a window takes ``window / rate`` seconds to pass. If that is hardly more than a round trip, the server
    stands and waits for us.

    >>> wider(5792, 4_000, 0.25), wider(5792, 9_000, 0.6), wider(65536, 100_000, 0.6)
    (5792, 11584, 0)
    """
    if not window or window / rate >= 2 * round_trip:
        return window
    return 2 * window if 2 * window <= LARGEST_WINDOW else 0
