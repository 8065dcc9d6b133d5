"""Dispatches and units found by words: any order, the beginnings of words, without accents, by an index."""

from sqlalchemy import ColumnElement, Select, and_, false, or_, select

from router.ledger.models import dispatch, dispatch_word, unit
from router.ledger.scope import Scope, within
from router.ledger.way.words import MAX_LENGTH
from schemas.text import words_of

MOST_TYPED = 12
"""Words of a question that are looked for; of more than these the others are left out."""
_LAST = "\U0010ffff"


def has_words(scope: Scope, text: str) -> ColumnElement[bool]:
    """The condition on ``dispatch`` that each word of a text begins one of its own, or of what its units said of it.

    What a unit said counts for those who see that unit, or the whole dispatch; a text without a word finds nothing.
    """
    typed = [word[:MAX_LENGTH] for word in words_of(text)][:MOST_TYPED]
    return and_(*(_has(scope, word) for word in typed)) if typed else false()


def is_named(text: str) -> ColumnElement[bool]:
    """The condition on ``unit`` that each word of a text is in its name."""
    typed = words_of(text)[:MOST_TYPED]
    return and_(*(unit.c.name_folded.contains(word, autoescape=True) for word in typed)) if typed else false()


def _has(scope: Scope, word: str) -> ColumnElement[bool]:
    row = dispatch_word.c
    begins: Select[tuple[str]] = select(row.dispatch_id).where(row.word >= word, row.word < word + _LAST)
    if scope.everything:
        return dispatch.c.id.in_(begins)
    seen = dispatch.c.id.in_(begins.where(or_(row.unit == "", within(row.unit, scope.units))))
    if not scope.issuers:
        return seen
    return or_(seen, and_(within(dispatch.c.issuer, scope.issuers), dispatch.c.id.in_(begins)))
