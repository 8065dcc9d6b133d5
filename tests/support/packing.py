"""Contents and their forms for tests: letters made from one template, and what a router would keep of them."""

import hashlib
import random

from schemas.attachment import Forms
from schemas.encoding import dcz_header, zstd
from support.content_server import Served

_OPTION = zstd.CompressionParameter


def letter_bytes(number: int, *, size: int = 60_000) -> bytes:
    """A letter as an office program writes it: most of it is the template's, which itself does not shrink."""
    template = random.Random(1).randbytes(size)
    return template[: size // 2] + f"Letter {number}: ".encode() * (size // 100) + template[size // 2 :]


def zstd_form(data: bytes, *, level: int = 3) -> Served:
    """As ``Content-Encoding: zstd``."""
    packed = zstd.compress(data, level=level)
    return Served(packed, hashlib.sha256(packed).hexdigest()[:32], "zstd")


def dcz_form(data: bytes, dictionary: bytes) -> Served:
    """As ``Content-Encoding: dcz``."""
    name = hashlib.sha256(dictionary).hexdigest()
    frame = zstd.compress(
        data, options={_OPTION.window_log: 23}, zstd_dict=zstd.ZstdDict(dictionary, is_raw=True).as_prefix
    )
    packed = dcz_header(name) + frame
    return Served(packed, hashlib.sha256(packed).hexdigest()[:32], "dcz", name)


def forms_of(*served: Served) -> Forms:
    """What a descriptor tells of them."""
    sizes = {f"{form.encoding}_size": len(form.data) for form in served}
    names = [form.dictionary for form in served if form.dictionary]
    return Forms(**sizes, dictionary=names[0] if names else None)
