"""What the router tells of a unit's deliveries: each with its letter and all that the unit said of it."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field

from consumers.spool.said import WrittenReceipt, effect_of
from schemas.clock import Day, Moment
from schemas.dispatch import Secrecy, Urgency
from schemas.ids import Id, SequenceNumber
from schemas.standing import in_order
from schemas.states import BY_PEOPLE, Effect, Status


class SaidReceipt(BaseModel):
    """A receipt of the unit's, as the router has it; ``seq`` is of the spool that wrote it."""

    id: Id
    status: Status
    effect: Effect
    at: Moment
    seq: SequenceNumber
    reason: str = ""
    person: str = ""
    department: str = ""
    register_number: str = ""
    attempts: Annotated[int, Field(ge=0)] = 0
    gateway_version: str = ""
    corrects: Id | None = None
    undoes: Id | None = None

    @property
    def counts(self) -> bool:
        """Whether it tells how the document stands: what the machines say again and again does not."""
        return self.effect is not Effect.STALE or self.status in BY_PEOPLE or self.undoes is not None

    def written(self, pos: int) -> WrittenReceipt:
        """As a spool has it, at a place."""
        effect = effect_of(self.corrects, self.undoes)
        return WrittenReceipt(pos, self.id, self.status, effect, pos, self.register_number, self.corrects, self.undoes)


class ToldDelivery(BaseModel):
    """A delivery as the router tells it; its receipts in the order in which they were said, whenever they came."""

    id: Id
    state: str
    state_at: Moment
    arrived_at: Moment | None = None
    author: str
    notation: str
    type: str
    subject: str
    signer: str = ""
    urgency: Urgency = Urgency.NORMAL
    secrecy: Secrecy
    issued_on: Day | None = None
    due: Moment | None = None
    receipts: Annotated[list[SaidReceipt], AfterValidator(lambda said: list(in_order(said)))]

    @property
    def registrations(self) -> dict[str, SaidReceipt]:
        """Every number that was said of it, and the receipt that said it first."""
        said: dict[str, SaidReceipt] = {}
        for one in self.receipts:
            if one.status is Status.REGISTERED and one.register_number:
                said.setdefault(one.register_number, one)
        return said

    def written(self) -> Iterator[WrittenReceipt]:
        """What counts of its receipts, as a spool would have it."""
        return (one.written(pos) for pos, one in enumerate(self.receipts) if one.counts)
