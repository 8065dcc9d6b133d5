"""How each unit writes its letters: the pattern of its notation (số, ký hiệu), its place, who keeps the copy."""

from dataclasses import asdict, dataclass

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from consumers.spool.models import letter_form as table
from schemas.errors import FieldProblem, InvalidError

NUMBER = "{number}"
"""Stands in a pattern for the number of the outgoing book."""


@dataclass(frozen=True, slots=True)
class LetterForm:
    """A unit's: ``notation`` as ``{number}/UBND-VP``."""

    unit: str
    notation: str = f"{NUMBER}/CV"
    place: str = ""
    keeper: str = ""

    def notation_of(self, number: int) -> str:
        """The notation of a letter with a number.

        >>> LetterForm("LCA.02", "{number}-CV/HU").notation_of(15)
        '15-CV/HU'
        """
        return self.notation.replace(NUMBER, str(number))


def get(conn: Connection, unit: str) -> LetterForm:
    """A unit's form; a plain one when nobody has written any."""
    row = conn.execute(select(table).where(table.c.unit == unit)).one_or_none()
    return LetterForm(unit) if row is None else LetterForm(*row)


def write(conn: Connection, form: LetterForm) -> None:
    """Keep a unit's form.

    Raises:
        InvalidError: the pattern does not say where the number stands, or says it twice.
    """
    if form.notation.count(NUMBER) != 1:
        problem = FieldProblem("notation", f"has to hold {NUMBER} once, where the number stands", form.notation)
        raise InvalidError("form", [problem])
    new = insert(table).values(**asdict(form))
    conn.execute(new.on_conflict_do_update(index_elements=["unit"], set_=asdict(form)))
