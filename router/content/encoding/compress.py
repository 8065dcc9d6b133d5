"""Compresses a stored file: whether it is worth it is measured, on a sample first where the file is large.

Measured on one core of 2 GHz, 8 MB of text: level 12 takes 0.3 s and leaves 17 %, level 19 takes 3.6 s and leaves 14 %;
against an earlier version of 8 MB, level 12 finds what has changed in 0.2 s. So level 12 decides, and level 19 follows
where there is time: a second of ours is less than the seconds that its bytes take on a thin line.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

from schemas.encoding import MAX_WINDOW_LOG, zstd

QUICK_LEVEL = 12
THOROUGH_LEVEL = 19
THOROUGH_COSTS = 15
"""A thorough pass takes so many times as long as a quick one."""
LEAST_SAVING = 0.05
"""What zstd has to save of the plain bytes, else they travel as they are."""
LEAST_SAVING_BY_DICTIONARY = 1 / 3
"""What a dictionary has to save of what would travel without it: it ties the form to those who hold the dictionary."""
_SAMPLE_LEVEL = 3
_SAMPLE_PIECE = 64 * 1024
_SAMPLED_FROM = 4 * _SAMPLE_PIECE
"""Smaller files are compressed whole at once."""
_READ = 256 * 1024
_OPTION = zstd.CompressionParameter


class LateError(Exception):
    """There was no time to compress it."""


class DamagedFileError(Exception):
    """The file is not what its name says: a form of it would be wrong for ever."""


def most_worth(size: int) -> int:
    """The largest zstd form that is worth keeping of a content of ``size`` bytes.

    >>> most_worth(1000)
    950
    """
    return int(size * (1 - LEAST_SAVING))


def most_worth_by_dictionary(otherwise: int) -> int:
    """The largest dcz form that is worth keeping where else ``otherwise`` bytes travel.

    >>> most_worth_by_dictionary(900)
    600
    """
    return int(otherwise * (1 - LEAST_SAVING_BY_DICTIONARY))


def may_shrink(source: Path, size: int) -> bool:
    """Whether pieces of a file shrink: those of a JPEG, a PDF or a ZIP archive do not."""
    if size < _SAMPLED_FROM:
        return True
    with source.open("rb") as file:
        pieces = b"".join(_piece(file.fileno(), place) for place in (0, (size - _SAMPLE_PIECE) // 2))
    return len(zstd.compress(pieces, level=_SAMPLE_LEVEL)) <= most_worth(len(pieces))


def compressed(
    source: Path, size: int, *, level: int, left: Callable[[], float], dictionary: bytes | None = None
) -> Iterator[bytes]:
    """The zstd frame of a file, piece by piece; its window lets a gateway with little memory decode it.

    Args:
        source: the file; its name is its SHA-256.
        size: its bytes.
        level: of zstd.
        left: gives the seconds that are left.
        dictionary: earlier bytes that whoever decodes it has, too.

    Raises:
        LateError: there is no time left.
        DamagedFileError: the file's bytes do not have the SHA-256 that is its name.
    """
    options: dict[int, int] = {
        _OPTION.compression_level: level,
        _OPTION.window_log: MAX_WINDOW_LOG,
        _OPTION.checksum_flag: 0,  # the content's SHA-256 is checked
    }
    prefix = zstd.ZstdDict(dictionary, is_raw=True).as_prefix if dictionary is not None else None
    compressor = zstd.ZstdCompressor(options=options, zstd_dict=prefix)
    compressor.set_pledged_input_size(size)
    digest = hashlib.sha256()
    with source.open("rb") as file:
        while chunk := file.read(_READ):
            if left() <= 0:
                raise LateError
            digest.update(chunk)
            yield compressor.compress(chunk)
    if digest.hexdigest() != source.name:
        raise DamagedFileError(f"{source} is not what its name says")
    yield compressor.flush()


def _piece(file: int, place: int) -> bytes:
    return os.pread(file, _SAMPLE_PIECE, place)
