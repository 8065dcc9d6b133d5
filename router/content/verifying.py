"""Looks at every content once: those in the store are hashed, those that should be there are looked for."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from router.content.store import ContentStore, State


@dataclass(frozen=True, slots=True)
class DamagedContent:
    """A content that is not as it should be; ``healed``: it was made again from one of its forms."""

    sha256: str
    state: State
    healed: bool


def verify_all(
    store: ContentStore,
    named: Iterable[str],
    *,
    forms: Callable[[ContentStore, str], object],
    restore: Callable[[ContentStore, str], bool],
    on_hashed: Callable[[str], None] = lambda _sha256: None,
) -> Iterator[DamagedContent]:
    """Tell what is damaged or missing; damaged ones are put aside, so that nobody gets them. Blocks.

    Args:
        store: whose contents.
        named: the names that should be there.
        forms: hashes a content's forms and removes the damaged ones.
        restore: makes a content again from what else is there.
        on_hashed: told each name when its file was hashed.
    """
    told: set[str] = set()
    for sha256 in store.names():
        forms(store, sha256)
        state = store.verify(sha256)
        on_hashed(sha256)
        if state is State.DAMAGED:
            told.add(sha256)
            yield DamagedContent(sha256, state, restore(store, sha256))
    known = {item.sha256: item.state for item in store.damaged()}
    for sha256 in named:
        if store.size(sha256) is None and sha256 not in told:
            forms(store, sha256)
            healed = restore(store, sha256)
            if not healed:
                store.note_missing(sha256)
            yield DamagedContent(sha256, known.get(sha256, State.MISSING), healed)
