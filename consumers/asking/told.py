"""What the router says to a question, as far as the desk shows it: fields that an answer may gain do not matter.

An answer is held against these before it is kept, and again when it is shown: an earlier program may have kept it.
"""

from typing import Any

from pydantic import AwareDatetime, BaseModel, ValidationError

from consumers.spool.questions import Answer, QuestionKind


class ToldUnit(BaseModel):
    """A unit of the tree; ``below``: how many are below it."""

    code: str
    name: str
    kind: str
    link: str
    below: int


class ToldLevel(BaseModel):
    """Units that stand together; ``more``: there are further ones behind the last."""

    of: ToldUnit | None
    kinds: list[str]
    units: list[ToldUnit]
    more: bool


class ToldGroup(BaseModel):
    """Units of a plan with one kind of line."""

    link: str
    units: int
    median_seconds: float | None
    longest_seconds: float | None


class ToldArrival(BaseModel):
    """When a plan has it at one unit; None: not by itself."""

    unit: str
    name: str
    arrives_at: AwareDatetime | None
    remarks: list[str]


class ToldLeftOut(BaseModel):
    """A unit that a plan leaves out."""

    unit: str
    reason: str


class ToldNote(BaseModel):
    """A remark of a plan."""

    unit: str
    code: str


class ToldPlan(BaseModel):
    """Whom a letter would reach, and when; of the units the last ones."""

    count: int
    never: int
    bytes: int
    whole: bool
    groups: list[ToldGroup]
    units: list[ToldArrival]
    left_out: list[ToldLeftOut]
    left_out_count: int
    notes: list[ToldNote]


class ToldDelivery(BaseModel):
    """How far a dispatch is at one addressee."""

    unit: str
    unit_name: str
    state: str
    state_at: AwareDatetime
    reason: str
    register_number: str
    bytes_held: int | None
    bytes_total: int | None
    line_down_since: AwareDatetime | None


class ToldTrack(BaseModel):
    """What became of a dispatch at its addressees, and at how many; ``next``: there are more of them."""

    addressees: int
    states: dict[str, int]
    deliveries: list[ToldDelivery]
    next: str | None


_SHAPES: dict[QuestionKind, type[BaseModel]] = {
    QuestionKind.LEVEL: ToldLevel,
    QuestionKind.SEARCH: ToldLevel,
    QuestionKind.PLAN: ToldPlan,
    QuestionKind.TRACK: ToldTrack,
}


def read_told(kind: QuestionKind, body: bytes) -> dict[str, Any]:
    """An answer to a question of a kind, as an object with these fields alone.

    Raises:
        ValidationError: it is none.
    """
    return _SHAPES[kind].model_validate_json(body).model_dump(mode="json")


def told(kind: QuestionKind, answer: Answer) -> dict[str, Any] | None:
    """What is known of a question; None: nothing that could be shown."""
    try:
        return None if answer.body is None else read_told(kind, answer.body)
    except ValidationError:
        return None
