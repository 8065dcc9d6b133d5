"""How much smaller a document comes when an earlier one is at hand, and what it costs to find out.

``python -m tests.benchmarks.compression`` builds letters as an office program does (a ZIP archive with a template's
styles, fonts and crest, and a text of its own), a PDF of compressed streams and a JPEG's noise, with a fixed seed, and
has the router's own code make their forms. ``… OLD NEW`` measures two real files instead: NEW, with OLD at hand.
"""

import argparse
import asyncio
import io
import random
import sys
import tempfile
import time
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from router.content import ContentStore  # noqa: E402 - the folders above have to be importable first
from router.content.encoding.maker import Maker  # noqa: E402
from support.commit import commit  # noqa: E402

LINE = 4035
"""Bytes/s that a line of 33.6 kbit/s gives: the ceiling in the design of thin lines."""
SEED = 20121122
SYLLABLES = "công văn chỉ đạo tăng cường phòng chống rét đậm hại xã huyện tỉnh uỷ ban thường vụ báo cáo trước ngày"
WORDS = [f"{a}{b}" for a in "bcdghklmnpqrstvx" for b in SYLLABLES.split()]
"""As many as a letter's text needs to pack no better than a real one."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one file came to, in bytes; ``seconds`` to make both forms."""

    name: str
    size: int
    zstd: int | None
    dcz: int | None
    seconds: float

    @property
    def travels(self) -> int:
        """The bytes that a unit with the dictionary gets."""
        return min(filter(None, [self.size, self.zstd, self.dcz]))


def docx(number: int) -> bytes:
    """A letter from the template; what differs is its text."""
    template, own = random.Random(SEED), random.Random(SEED + number)
    parts = {
        "word/styles.xml": _xml(template, "style", 700),
        "word/theme/theme1.xml": _xml(template, "theme", 150),
        "word/fontTable.xml": _xml(template, "font", 40),
        "word/numbering.xml": _xml(template, "num", 300),
        "word/settings.xml": _xml(template, "setting", 80),
        "word/media/crest.png": template.randbytes(18_000),
        "docProps/core.xml": f"<created>2012-11-{number % 28 + 1:02}</created>".encode(),
        "word/document.xml": "".join(f"<w:p>{_sentence(own, 60)}</w:p>" for _ in range(25)).encode(),
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(zipfile.ZipInfo(name, (2012, 11, 22, 8, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return made.getvalue()


def pdf(number: int) -> bytes:
    """Ten pages of compressed text and a scanned signature; nothing in common with another but its frame."""
    own = random.Random(SEED + number)
    pages = [zlib.compress(_sentence(own, 2000).encode()) for _ in range(10)]
    streams = [
        b"<</Filter/FlateDecode>>stream\n" + page + b"\nendstream\n" for page in [*pages, own.randbytes(120_000)]
    ]
    return b"%PDF-1.4\n" + b"".join(streams) + b"%%EOF"


def text(number: int) -> bytes:
    """A list as a program exports it."""
    own = random.Random(SEED + number)
    return "".join(f"{line};{_sentence(own, 8)};{own.randrange(10**6)}\n" for line in range(1000)).encode()


def jpeg(number: int) -> bytes:
    """A scan: entropy-coded, so noise to any compressor."""
    return b"\xff\xd8\xff\xe0\0\x10JFIF" + random.Random(SEED + number).randbytes(900_000) + b"\xff\xd9"


async def measure(name: str, old: bytes, new: bytes) -> Row:
    """Store both, and make the forms of the new one."""
    with tempfile.TemporaryDirectory() as folder:
        store = ContentStore(Path(folder), reserve_bytes=0)
        dictionary, stored = await store.put(old), await store.put(new)
        began = time.perf_counter()
        maker = Maker(store, stored.sha256, stored.size, lambda: 60.0, dictionaries=store)
        plain = maker.zstd()
        delta = maker.dcz([dictionary.sha256], plain)
        took = time.perf_counter() - began
        return Row(name, len(new), plain.size if plain else None, delta.size if delta else None, took)


def show(rows: list[Row]) -> None:
    """Print a table."""
    print(f"commit {commit()}, seed {SEED}; the line gives {LINE} B/s (33.6 kbit/s)")
    print(f"{'':8}{'bytes':>12}{'zstd':>12}{'dcz':>12}{'factor':>9}{'on the line':>22}{'made in':>10}")
    for row in rows:
        line = f"{row.size / LINE:.0f} s -> {row.travels / LINE:.1f} s"
        zstd, dcz = (f"{value:,}" if value else "-" for value in (row.zstd, row.dcz))
        factor = f"{row.size / row.travels:.1f}x"
        print(f"{row.name:8}{row.size:12,}{zstd:>12}{dcz:>12}{factor:>9}{line:>22}{row.seconds:9.2f}s")


def main() -> None:
    """Measure what the arguments say."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.compression", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, metavar="OLD NEW", help="two real files instead")
    files = parser.parse_args().files
    if len(files) not in {0, 2}:
        parser.error("give two files, the earlier one first, or none")
    pairs = [("DOCX", docx(1), docx(2)), ("CSV", text(1), text(2)), ("PDF", pdf(1), pdf(2)), ("JPEG", jpeg(1), jpeg(2))]
    if files:
        pairs = [(files[1].suffix[1:].upper() or "file", files[0].read_bytes(), files[1].read_bytes())]
    show([asyncio.run(measure(*pair)) for pair in pairs])


def _sentence(source: random.Random, words: int) -> str:
    return " ".join(source.choice(WORDS) for _ in range(words))


def _xml(source: random.Random, tag: str, count: int) -> bytes:
    rows = (f'<w:{tag} w:id="{source.randrange(10**9):x}" w:val="{_sentence(source, 3)}"/>' for _ in range(count))
    return "".join(rows).encode()


if __name__ == "__main__":
    main()
