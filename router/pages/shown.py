"""How times, spans, counts and sizes are written on pages.

Times are those of the installation's zone. The title of each says it in UTC.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, tzinfo

from markupsafe import Markup

from router.pages.language import N_, VIETNAMESE, translations
from schemas.clock import iso, now_ms, to_ms
from schemas.months import Month

_SECOND, _MINUTE, _HOUR, _DAY = 1000, 60_000, 3_600_000, 86_400_000
_SPANS = (
    (_DAY, N_("{n} d")),
    (_HOUR, N_("{n} h")),
    (_MINUTE, N_("{n} min")),
    (_SECOND, N_("{n} s")),
)
_WEEKDAYS = (N_("Mon"), N_("Tue"), N_("Wed"), N_("Thu"), N_("Fri"), N_("Sat"), N_("Sun"))
_KILO = 1024
_THOUSAND = 1000
_VIETNAMESE_MARKS = str.maketrans(",.", ".,")
_NONE = Markup("\u2013")


@dataclass(frozen=True, slots=True)
class Shown:
    """Writes for one language in the times of a zone; ``clock`` gives the present in UTC milliseconds."""

    language: str
    zone: tzinfo
    clock: Callable[[], int] = now_ms

    def at(self, ms: int | None) -> Markup:
        """A moment as short as it stays clear: the time of today, else with its day, else with its year."""
        if ms is None:
            return _NONE
        then, now = self._here(ms), self._here(self.clock())
        if then.date() == now.date():
            text = f"{then:%H:%M:%S}"
        else:
            text = f"{then:%d/%m %H:%M}" if then.year == now.year else f"{then:%d/%m/%Y %H:%M}"
        return self._time(ms, text)

    def moment(self, ms: int | None) -> Markup:
        """A moment whole, to the second."""
        return _NONE if ms is None else self._time(ms, f"{self._here(ms):%d/%m/%Y %H:%M:%S}")

    def day(self, text: str) -> str:
        """A day as people write it, of its ISO form; what is none stays as it is."""
        try:
            return f"{date.fromisoformat(text):%d/%m/%Y}"
        except ValueError:
            return text

    def told(self, at: str) -> Markup:
        """A moment as a receipt's teller wrote it (RFC 3339), to the second."""
        return self.moment(to_ms(datetime.fromisoformat(at)))

    def tick(self, ms: int, *, of_day: bool) -> str:
        """A moment on the axis of a chart: its time, or its day."""
        return f"{self._here(ms):%H:%M}" if of_day else f"{self._here(ms):%d/%m}"

    def age(self, ms: int | None) -> Markup:
        """How long ago a moment was."""
        return _NONE if ms is None else self._time(ms, self.span(self.clock() - ms))

    def span(self, ms: int) -> str:
        """A length of time by its two largest parts: ``3 h 12 min``."""
        rest = max(ms, 0)
        parts: list[tuple[int, str]] = []
        for size, unit in _SPANS:
            count, rest = divmod(rest, size)
            if count or parts:
                parts.append((count, unit))
        named = [(count, unit) for count, unit in parts[:2] if count] or [(0, _SPANS[-1][1])]
        return " ".join(self._say(unit).format(n=count) for count, unit in named)

    def month(self, month: Month) -> str:
        """A month in words."""
        return self._say(N_("{month}/{year}")).format(month=month.month, year=month.year)

    def weekday(self, number: int) -> str:
        """The short name of a weekday; 0 is Monday."""
        return self._say(_WEEKDAYS[number])

    def took(self, ms: int | None) -> str:
        """How long something took, as one number to a tenth of its largest unit: ``1.5 h``; never in milliseconds."""
        if ms is None:
            return str(_NONE)
        ms = max(ms, 0)  # a clock that was ahead has been put right
        size, unit = next(((size, unit) for size, unit in _SPANS if ms >= size), (0, N_("under 1 s")))
        return self._say(unit).format(n=self._decimal(ms / size)) if size else self._say(unit)

    def change(self, now: int, before: int) -> str:
        """How much more or less it is than before, in percent; a dash when there was nothing before."""
        return f"{round(100 * (now - before) / before):+d}%".replace("-", "\u2212") if before else str(_NONE)

    def count(self, number: int) -> str:
        """A number with its thousands kept apart as the language does."""
        text = f"{number:,}"
        return text.translate(_VIETNAMESE_MARKS) if self.language == VIETNAMESE else text

    def size(self, size: int) -> str:
        """Bytes as people read them."""
        value, units = float(size), ["B", "kB", "MB", "GB"]
        while value >= _KILO and len(units) > 1:
            value /= _KILO
            units.pop(0)
        return f"{self._decimal(value)} {units[0]}"

    def rate(self, rate: int | None) -> str:
        """Bytes per second as a line's rate, in the unit that leaves a number people can read: ``1.060,5 Mbit/s``."""
        if rate is None:
            return str(_NONE)
        kilobits = rate * 8 / _THOUSAND
        return (
            f"{self._decimal(kilobits)} kbit/s"
            if kilobits < _THOUSAND
            else f"{self._decimal(kilobits / _THOUSAND)} Mbit/s"
        )

    def availability(self, down_ms: int, of_ms: int) -> str:
        """The share of an observed time in which something was not down, rounded down; a dash: nobody observed it."""
        up = max(of_ms - down_ms, 0)
        return f"{self._decimal(1000 * up // of_ms / 10)}%" if of_ms else str(_NONE)

    def percent(self, part: int, whole: int) -> str:
        """A share, rounded down so that 100 % is said of the whole alone."""
        return f"{100 * part // whole if whole else 0}%"

    def _decimal(self, number: float) -> str:
        """To a tenth; a whole number without it; thousands kept apart."""
        text = f"{number:,.1f}".removesuffix(".0")
        return text.translate(_VIETNAMESE_MARKS) if self.language == VIETNAMESE else text

    def _say(self, message: str) -> str:
        return translations(self.language).gettext(message)

    def _here(self, ms: int) -> datetime:
        return datetime.fromtimestamp(ms / 1000, self.zone)

    @staticmethod
    def _time(ms: int, text: str) -> Markup:
        utc = f"{datetime.fromtimestamp(ms / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"
        return Markup('<time datetime="{}" title="{}">{}</time>').format(iso(ms), utc, text)
