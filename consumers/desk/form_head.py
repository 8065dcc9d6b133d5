"""The head of printed forms: the State's and the Party's differ, and a body may write its own."""

from dataclasses import dataclass
from enum import StrEnum


class HeadStyle(StrEnum):
    """Whose head it is."""

    STATE = "state"
    PARTY = "party"


_RIGHT: dict[HeadStyle, tuple[str, ...]] = {
    HeadStyle.STATE: ("CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", "Độc lập - Tự do - Hạnh phúc"),
    HeadStyle.PARTY: ("ĐẢNG CỘNG SẢN VIỆT NAM",),
}


@dataclass(frozen=True, slots=True)
class FormHead:
    """A head: its style, the body above the unit (empty: none is named), the unit's own (empty: as it is called)."""

    style: HeadStyle = HeadStyle.STATE
    above: str = ""
    body: str = ""

    @property
    def right(self) -> tuple[str, ...]:
        """The lines at the right."""
        return _RIGHT[self.style]
