"""Makes the forms of contents: for a dispatch before it is accepted, and again what was announced and is lost.

When: at the acceptance, not later, because the descriptor names the forms and is the same for ever after. It waits a
few seconds at most; a file that takes longer travels as it is. One thread does it all, off the event loop, so that
whoever sends many large files waits and the rest of the router does not.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog
from sqlalchemy import Engine

from router.content import ContentStore
from router.content.encoding.compress import DamagedFileError, LateError
from router.content.encoding.forms import StoredForm
from router.content.encoding.maker import Maker
from router.errors import RouterError
from router.ledger.engine import reading
from router.ledger.way.dictionaries import candidates
from schemas.attachment import PLAIN, Attachment, Forms
from schemas.descriptor import MAX_DESCRIPTOR_BYTES
from schemas.encoding import MAX_DICTIONARY_BYTES, zstd
from schemas.events import Event

log = structlog.get_logger()
LEAST_BYTES = MAX_DESCRIPTOR_BYTES
"""Smaller contents ride inside their descriptors, or are too small to be worth it."""
_TRIED_DICTIONARIES = 3
_REMAKE_SECONDS = 20.0
_TROUBLES = (OSError, RouterError, DamagedFileError, zstd.ZstdError, MemoryError)


class Encoder:
    """Makes forms.

    Args:
        store: of the contents.
        engine: the ledger, which knows who holds what.
        seconds: how long a dispatch may wait for its forms; 0: none are made.
    """

    def __init__(self, store: ContentStore, engine: Engine, *, seconds: float) -> None:
        self._store = store
        self._engine = engine
        self._seconds = seconds
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="encoder")
        self._stopping = False
        self._remaking: set[tuple[str, str]] = set()

    def close(self) -> None:
        """End what is in work; what is not whole is not kept."""
        self._stopping = True
        self._pool.shutdown(cancel_futures=True)

    async def forms_of(
        self, issuer: str, files: Sequence[Attachment], units: Sequence[str], *, store: ContentStore | None = None
    ) -> Mapping[str, Forms]:
        """The forms of a dispatch's files, made as far as there is time, by SHA-256; one that is missing has none.

        Args:
            issuer: whose earlier attachments may be dictionaries.
            files: they are in the store.
            units: who is to get them.
            store: another than the encoder's own, where files lie and their forms are put.
        """
        large = [file for file in files if file.size >= LEAST_BYTES]
        if not large or not self._seconds:
            return {}
        left = self._clock(self._seconds)
        work = asyncio.get_running_loop().run_in_executor
        place = store or self._store
        made = [await work(self._pool, self._make, place, issuer, file, units, left) for file in large]
        return {file.sha256: told for file, told in zip(large, made, strict=True) if told != PLAIN}

    async def forms_of_record(self, record: Attachment, *, store: ContentStore | None = None) -> Forms:
        """The same for a descriptor that is itself kept as a content: without a dictionary."""
        return (await self.forms_of("", [record], (), store=store)).get(record.sha256, PLAIN)

    def remake(self, sha256: str, announced: Forms) -> None:
        """Make a content's forms again that are lost, some time later; what is there is left as it is."""
        dictionary = announced.dictionary or ""
        if (sha256, dictionary) in self._remaking or self._stopping or not self._seconds:
            return
        self._remaking.add((sha256, dictionary))
        self._pool.submit(self._remake, sha256, dictionary)

    def _remake(self, sha256: str, dictionary: str) -> None:
        try:
            size = self._store.size(sha256)
            if size is not None:
                maker = Maker(self._store, sha256, size, self._clock(_REMAKE_SECONDS), dictionaries=self._store)
                plain = maker.zstd()
                if dictionary:
                    maker.dcz([dictionary], plain)
        except (*_TROUBLES, LateError) as error:
            log.warning(Event.CONTENT_NOT_ENCODED, sha256=sha256, reason=repr(error))
        finally:
            self._remaking.discard((sha256, dictionary))

    def _make(
        self, store: ContentStore, issuer: str, file: Attachment, units: Sequence[str], left: Callable[[], float]
    ) -> Forms:
        began = time.monotonic()
        maker = Maker(store, file.sha256, file.size, left, dictionaries=self._store)
        plain = delta = None
        try:
            plain = maker.zstd()
            if issuer and file.size <= MAX_DICTIONARY_BYTES:
                delta = maker.dcz(self._dictionaries(issuer, file, units), plain)
        except LateError:
            log.info(Event.CONTENT_NOT_ENCODED, sha256=file.sha256, size=file.size, reason="it would take too long")
        except _TROUBLES as error:
            log.warning(Event.CONTENT_NOT_ENCODED, sha256=file.sha256, size=file.size, reason=repr(error))
        told = _told(plain, delta)
        if told != PLAIN:
            took = round(time.monotonic() - began, 3)
            log.info(
                Event.CONTENT_ENCODED,
                sha256=file.sha256,
                size=file.size,
                seconds=took,
                **told.model_dump(exclude_none=True),
            )
        return told

    def _dictionaries(self, issuer: str, file: Attachment, units: Sequence[str]) -> list[str]:
        with reading(self._engine) as conn:
            found = candidates(
                conn,
                issuer,
                file.media_type,
                units,
                least=LEAST_BYTES,
                largest=MAX_DICTIONARY_BYTES,
                count=_TRIED_DICTIONARIES + 1,
            )
        return [sha256 for sha256 in found if sha256 != file.sha256][:_TRIED_DICTIONARIES]

    def _clock(self, seconds: float) -> Callable[[], float]:
        """Tells how many seconds are left."""
        until = time.monotonic() + seconds
        return lambda: 0.0 if self._stopping else until - time.monotonic()


def _told(plain: StoredForm | None, delta: StoredForm | None) -> Forms:
    return Forms(
        zstd_size=plain and plain.size, dcz_size=delta and delta.size, dictionary=delta.dictionary if delta else None
    )
