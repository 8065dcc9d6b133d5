"""Makes the forms of one content, or finds them made."""

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from router.content import ContentStore
from router.content.encoding import forms
from router.content.encoding.compress import (
    QUICK_LEVEL,
    THOROUGH_COSTS,
    THOROUGH_LEVEL,
    LateError,
    compressed,
    may_shrink,
    most_worth,
    most_worth_by_dictionary,
)
from router.content.encoding.forms import StoredForm
from schemas.encoding import MAX_DICTIONARY_BYTES, Encoding, dcz_header


@dataclass(frozen=True, slots=True)
class _Quick:
    """What a quick pass gave: the frame, the seconds it took, the dictionary it was made with."""

    frame: bytes
    seconds: float
    name: str
    dictionary: bytes | None


class Maker:
    """The maker for one content; its methods block.

    Args:
        store: where the content lies.
        sha256: its name.
        size: its bytes.
        left: gives the seconds that are left.
        dictionaries: the store of earlier contents.
    """

    def __init__(
        self, store: ContentStore, sha256: str, size: int, left: Callable[[], float], *, dictionaries: ContentStore
    ) -> None:
        self._store, self._sha256, self._size, self._left = store, sha256, size, left
        self._dictionaries = dictionaries
        self._path = store.path(sha256)
        self._found = forms.find(store, sha256)

    def zstd(self) -> StoredForm | None:
        """The form without a dictionary; None when it is not worth it.

        Raises:
            LateError: there was no time.
            ContentFullError: there is no room.
        """
        found = self._smallest(Encoding.ZSTD)
        if found is not None or not may_shrink(self._path, self._size):
            return found
        most = most_worth(self._size)
        if self._size > MAX_DICTIONARY_BYTES:  # too large for memory, and for a thorough pass
            pieces = compressed(self._path, self._size, level=QUICK_LEVEL, left=self._left)
            return forms.keep(self._store, self._sha256, Encoding.ZSTD, pieces, most=most)
        frame = self._thoroughly(self._quickly(), most)
        return forms.keep(self._store, self._sha256, Encoding.ZSTD, [frame], most=most)

    def dcz(self, dictionaries: Sequence[str], otherwise: StoredForm | None) -> StoredForm | None:
        """The form with that dictionary which saves most; None when none saves enough.

        Args:
            dictionaries: earlier contents that may be one.
            otherwise: what travels without one; None: the content as it is.

        Raises:
            LateError: there was no time.
            ContentFullError: there is no room.
        """
        most = most_worth_by_dictionary(otherwise.size if otherwise else self._size)
        made = {form.dictionary: form for form in self._found if form.encoding is Encoding.DCZ}
        known = [made[name] for name in dictionaries if name in made and made[name].size <= most]
        if known:
            return min(known, key=lambda form: form.size)
        best: _Quick | None = None
        for name in dictionaries:
            data = self._read(name)
            tried = self._quickly(name, data) if data is not None else best
            best = min(filter(None, [best, tried]), key=lambda quick: len(quick.frame), default=None)
        if best is None:
            return None
        pieces = [dcz_header(best.name), self._thoroughly(best, most)]
        return forms.keep(self._store, self._sha256, Encoding.DCZ, pieces, dictionary=best.name, most=most)

    def _smallest(self, encoding: Encoding) -> StoredForm | None:
        fitting = [form for form in self._found if form.encoding is encoding]
        return min(fitting, key=lambda form: form.size, default=None)

    def _quickly(self, name: str = "", dictionary: bytes | None = None) -> _Quick:
        began = time.monotonic()
        frame = self._frame(QUICK_LEVEL, dictionary)
        return _Quick(frame, time.monotonic() - began, name, dictionary)

    def _thoroughly(self, quick: _Quick, most: int) -> bytes:
        """The frame made smaller where it is worth keeping and there is time; else the quick one."""
        if len(quick.frame) > most or quick.seconds * THOROUGH_COSTS > self._left():
            return quick.frame
        try:
            return min(quick.frame, self._frame(THOROUGH_LEVEL, quick.dictionary), key=len)
        except LateError:
            return quick.frame

    def _frame(self, level: int, dictionary: bytes | None) -> bytes:
        pieces = compressed(self._path, self._size, level=level, left=self._left, dictionary=dictionary)
        return b"".join(pieces)

    def _read(self, name: str) -> bytes | None:
        """The bytes of a dictionary, or None: they are not here any more, or not as they were."""
        try:
            data = self._dictionaries.path(name).read_bytes()
        except FileNotFoundError:
            return None
        return data if hashlib.sha256(data).hexdigest() == name else None
