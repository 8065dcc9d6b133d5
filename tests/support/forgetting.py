"""What a gateway holds of dispatches that the ledger has forgotten, as its pages tell it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from router.ledger.recovery.rebuilding import RebuiltLetter, ReceivedPage
from router.ledger.recovery.recovering import NewRecovery
from schemas.attachment import content_digest
from schemas.clock import iso
from schemas.descriptor import Descriptor, encode
from schemas.ids import first_of, new_id
from schemas.model import parse
from schemas.recount import Kept, KeptDelivery
from schemas.states import Status
from support.deliveries import a_descriptor
from support.ledgers import START

HOUR = 3_600_000
FORGOTTEN_AT = START + HOUR
"""When what is forgotten was accepted."""
NOW = START + 24 * HOUR
OPENING = NewRecovery("thu", NOW, START)


def forgotten_id(number: int = 0) -> str:
    """The id of something that was made in the forgotten time; others are made for other numbers."""
    return first_of(FORGOTTEN_AT + number)[:-12] + new_id()[-12:]


@dataclass(slots=True)
class Holder:
    """The gateway of a unit; what it holds is told in the order in which it was put here."""

    unit: str
    spool_id: str = field(default_factory=new_id)
    seq: int = 0
    receipt_seq: int = 0
    held: list[KeptDelivery] = field(default_factory=list)
    letters: dict[str, RebuiltLetter] = field(default_factory=dict)

    def hold(self, letter: Descriptor, *said: Status, seq: int = 0, **fields: Any) -> str:
        """Hold a delivery of a letter of which these receipts were said; its id."""
        self.seq = seq or self.seq + 1
        key = forgotten_id(self.seq)
        self.letters[letter.id] = RebuiltLetter(letter, encode(letter))
        receipts = [self.receipt(key, letter, status) for status in said]
        body = {"id": key, "dispatch_id": letter.id, "seq": self.seq, "descriptor": letter, "receipts": receipts}
        self.held.append(KeptDelivery.model_validate(body | fields))
        return key

    def receipt(self, key: str, letter: Descriptor, status: Status) -> dict[str, Any]:
        """What was said of a delivery, as it travels."""
        self.receipt_seq += 1
        given: dict[str, Any] = {
            "id": new_id(),
            "delivery_id": key,
            "dispatch_id": letter.id,
            "unit": self.unit,
            "status": status,
        }
        given |= {"at": iso(FORGOTTEN_AT + 60_000 + self.receipt_seq), "seq": self.receipt_seq}
        if status is Status.REGISTERED:
            given |= {"register_number": "57", "person": "Lò Thị Mẩy"}
        if status is Status.PARKED:
            given |= {"reason": "404: there is no such content", "code": "content_gone"}
        if status not in {Status.TAKEN, Status.PARKED}:
            given["content_sha256"] = content_digest(letter.attachments)
        return given

    def page(self, *, after: int = 0, count: int = 200, **changed: Any) -> ReceivedPage:
        """A page as the ledger gets it."""
        part = self.held[after : after + count]
        kept = Kept(
            unit=self.unit,
            spool_id=self.spool_id,
            after=after,
            through=after + len(part),
            more=after + len(part) < len(self.held),
            highest=self.seq,
            deliveries=tuple(part),
        )
        kept = parse(Kept, kept.model_dump_json(exclude_defaults=True), what="page")  # as it travels
        given: dict[str, Any] = {"letters": self.letters, "unreadable": {}, "at": NOW}
        return ReceivedPage(kept, **(given | changed))


def letters(count: int, **fields: Any) -> Sequence[Descriptor]:
    """Letters of the forgotten time."""
    return [a_descriptor(id=forgotten_id(number), issuer="LCA", **fields) for number in range(count)]
