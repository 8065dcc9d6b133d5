"""Decodes what came in a smaller form: piece by piece, never more than was announced, in little memory.

Nothing here is trusted: a stream that would unpack to more bytes than the descriptor says, that needs a larger window
than a small gateway has, that names another dictionary or is not well-formed is wrong, and so is one whose bytes do not
have the SHA-256 that names the content.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from consumers.errors import WrongContentError
from schemas.encoding import DCZ_HEADER_BYTES, MAX_WINDOW_LOG, Encoding, dcz_header, zstd

_READ = 64 * 1024
_MOST_AT_ONCE = 256 * 1024
"""Bytes that are unpacked at a time, however much the input would give."""


def decode(source: Path, target: BinaryIO, *, encoding: Encoding, size: int, dictionary: tuple[str, bytes]) -> str:
    """Unpack a file; the SHA-256 of what came out.

    Args:
        source: what came.
        target: where the content is written; its durability is the caller's.
        encoding: zstd or dcz.
        size: the bytes that the content has to have.
        dictionary: the SHA-256 and the bytes of the one for dcz.

    Raises:
        WrongContentError: it is no such stream, or not of this size.
    """
    digest, count = hashlib.sha256(), 0
    with source.open("rb") as file, _told_as_wrong(encoding):
        for piece in _unpacked(file, encoding, dictionary):
            count += len(piece)
            if count > size:
                raise WrongContentError(f"what came as {encoding} unpacks to more than the {size} bytes announced")
            digest.update(piece)
            target.write(piece)
    if count != size:
        raise WrongContentError(f"what came as {encoding} unpacks to {count} bytes, not to the {size} announced")
    return digest.hexdigest()


def _unpacked(file: BinaryIO, encoding: Encoding, dictionary: tuple[str, bytes]) -> Iterator[bytes]:
    prefix = None
    if encoding is Encoding.DCZ:
        name, data = dictionary
        if not data:
            raise WrongContentError(f"the dictionary {name} is not here any more")
        if file.read(DCZ_HEADER_BYTES) != dcz_header(name):
            raise WrongContentError(f"what came as dcz was not encoded with the dictionary {name}")
        prefix = zstd.ZstdDict(data, is_raw=True).as_prefix
    limits: dict[int, int] = {zstd.DecompressionParameter.window_log_max: MAX_WINDOW_LOG}
    decompressor = zstd.ZstdDecompressor(zstd_dict=prefix, options=limits)
    while not decompressor.eof:
        chunk = file.read(_READ) if decompressor.needs_input else b""
        if decompressor.needs_input and not chunk:
            raise WrongContentError(f"what came as {encoding} ends too early")
        yield decompressor.decompress(chunk, _MOST_AT_ONCE)
    if decompressor.unused_data or file.read(1):
        raise WrongContentError(f"what came as {encoding} does not end where it should")


@contextmanager
def _told_as_wrong(encoding: Encoding) -> Iterator[None]:
    try:
        yield
    except zstd.ZstdError as error:
        raise WrongContentError(f"what came as {encoding} cannot be unpacked: {error}") from error
