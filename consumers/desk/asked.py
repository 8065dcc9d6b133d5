"""What addresses of the desk's pages may name: numbers and days that a database and a calendar can hold."""

from datetime import date
from typing import Annotated

from fastapi import Query
from pydantic import Field

from schemas.clock import Day

AskedPlace = Annotated[int, Query(ge=0, lt=2**63)]
"""A place in a list, behind which a page begins; 0: at its beginning."""
AskedDay = Annotated[Day, Field(ge=date(1900, 1, 1), lt=date(9000, 1, 1))]
"""A day with others before and behind it."""
