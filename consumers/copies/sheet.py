"""The sheet of paper that a recovery key is kept on: what it is, where to keep it, the key in groups for typing."""

from dataclasses import dataclass
from datetime import date
from html import escape

from consumers.copies.key import check_of, grouped

_TITLE = "KHÓA KHÔI PHỤC SỔ ĐĂNG KÝ VĂN BẢN"
_PARAGRAPHS = """\
Tờ giấy này mở được bản sao các sổ đăng ký của đơn vị lưu tại máy chủ khi máy tính của văn thư bị mất, không dùng được
nữa hoặc bị xóa ổ đĩa.

Hãy cất trong tủ có khóa hoặc két của đơn vị; không để cạnh máy tính, không chụp ảnh, không gửi qua mạng, không lưu
vào máy.

Ai có tờ giấy này và tài khoản của cổng đơn vị thì đọc được toàn bộ sổ. Nếu mất giấy hoặc nghi đã lộ, báo người quản
trị tạo khóa mới (congvan desk recovery-key --replace); tờ cũ vẫn cần để mở các bản sao đã lưu trước đó.

Khi khôi phục: congvan desk restore --recovery-key - rồi gõ các dòng chữ ở trên; viết hoa hay thường, có dấu cách hay
không đều được.
"""
_LINES = [" ".join(paragraph.split()) for paragraph in _PARAGRAPHS.split("\n\n")]
_STYLE = (
    "body{font:12pt/1.5 serif;max-width:17cm;margin:2cm auto}h1{font-size:16pt;text-align:center}"
    "pre{font:bold 18pt/1.7 monospace;border:1pt solid;padding:.5cm;text-align:center}dt{font-weight:bold}"
)


@dataclass(frozen=True, slots=True)
class RecoverySheet:
    """A sheet.

    Args:
        identity: the key itself.
        recipient: what belongs to it and is kept; the check is made of it.
        head: the unit, or the head of the subtree.
        day: of its making.
    """

    identity: str
    recipient: str
    head: str
    day: date

    def facts(self) -> tuple[tuple[str, str], ...]:
        """What is on it besides the key."""
        return (
            ("Đơn vị", self.head),
            ("Ngày tạo", f"{self.day:%d/%m/%Y}"),
            ("Số kiểm tra", check_of(self.recipient)),
        )

    def text(self) -> str:
        """For a terminal, or a printer that prints text."""
        facts = "\n".join(f"{name}: {value}" for name, value in self.facts())
        key = "\n".join(f"    {line}" for line in grouped(self.identity))
        return f"{_TITLE}\n\n{facts}\n\n{key}\n\n" + "\n\n".join(_LINES) + "\n"

    def html(self) -> str:
        """A page to be printed by a browser; it needs nothing from elsewhere."""
        facts = "".join(f"<dt>{escape(name)}<dd>{escape(value)}" for name, value in self.facts())
        key = "\n".join(map(escape, grouped(self.identity)))
        told = "".join(f"<p>{escape(line)}</p>" for line in _LINES)
        return (
            f'<!doctype html><html lang="vi"><meta charset="utf-8"><title>{escape(_TITLE)}</title>'
            f"<style>{_STYLE}</style><h1>{escape(_TITLE)}</h1><dl>{facts}</dl><pre>{key}</pre>{told}</html>\n"
        )
