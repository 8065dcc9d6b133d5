"""What a gateway is told that brings its books back: the chains of its copy, its units' deliveries and receipts."""

from dataclasses import asdict
from typing import Any

import orjson

from router.directory import Directory
from router.ledger.queries.unit_receipts import UnitDelivery, UnitReceipt
from router.ledger.units.copies import CopyChain
from router.words.view import Identifier, Instant, View
from schemas.clock import iso
from schemas.dispatch import Secrecy, Urgency


class CopyPieceView(View):
    """A piece of a copy."""

    number: int
    """0: everything; each other one: what has changed since the one before."""
    sha256: str
    """Of its bytes."""
    size: int
    """How many they are."""


class CopyChainView(View):
    """A copy: its pieces from the first on."""

    chain: Identifier
    """Its id."""
    spool_id: Identifier
    """Of the gateway's spool whose books it holds."""
    at: Instant
    """When its last piece came."""
    pieces: list[CopyPieceView]
    """All of them."""

    @classmethod
    def of(cls, chain: CopyChain) -> "CopyChainView":
        """The view of a chain."""
        pieces = [CopyPieceView(number=one.number, sha256=one.sha256, size=one.size) for one in chain.pieces]
        return cls(chain=chain.chain, spool_id=chain.spool_id, at=iso(chain.at), pieces=pieces)


class SaidReceiptView(View):
    """A receipt of the unit's."""

    id: Identifier
    """Its id."""
    status: str
    """What it said."""
    effect: str
    """What it did to its delivery here: `advance`, `stale`, `correct` or `back`."""
    at: str
    """When, by the unit's clock, with its offset."""
    seq: int
    """Its number in the series of the gateway's spool that said it."""
    reason: str
    """Why."""
    person: str
    """Who said it, when a person did."""
    department: str
    """That person's department."""
    register_number: str
    """The unit's own arrival number, of `registered`."""
    attempts: int
    """How often the unit's sink had been tried."""
    gateway_version: str
    """Of the program that wrote it."""
    corrects: Identifier | None
    """The receipt whose fields it puts right."""
    undoes: Identifier | None
    """The receipt that was given by mistake."""

    @classmethod
    def of(cls, said: UnitReceipt) -> "SaidReceiptView":
        """The view of a receipt."""
        return cls(**asdict(said))


class ToldDeliveryView(View):
    """A delivery of the unit's: the letter as far as a register shows it, and what was said of it."""

    id: Identifier
    """Of the delivery."""
    dispatch_id: Identifier
    """Of its dispatch."""
    seq: int
    """Its number in the unit's sequence."""
    state: str
    """What became of it."""
    state_at: Instant
    """Since when."""
    arrived_at: Instant | None
    """When it was there whole."""
    issuer: str
    """The code of the unit that issued it."""
    author: str
    """What that unit is called."""
    notation: str
    """Số, ký hiệu."""
    type: str
    """Tên loại."""
    subject: str
    """Trích yếu."""
    signer: str
    """Người ký."""
    urgency: Urgency
    """Độ khẩn."""
    secrecy: Secrecy
    """Độ mật: a state secret belongs into a book of its own."""
    issued_on: str | None
    """Ngày tháng văn bản."""
    due: str | None
    """By when an answer is wanted."""
    receipts: list[SaidReceiptView]
    """What the unit said, in the order in which it was recorded."""

    @classmethod
    def of(cls, row: UnitDelivery, directory: Directory) -> "ToldDeliveryView":
        """The view of a delivery."""
        letter: dict[str, Any] = orjson.loads(row.submission)
        unit = directory.get(row.issuer)
        return cls(
            id=row.id,
            dispatch_id=row.dispatch_id,
            seq=row.seq,
            state=row.state,
            state_at=iso(row.state_at),
            arrived_at=None if row.arrived_at is None else iso(row.arrived_at),
            issuer=row.issuer,
            author=row.issuer if unit is None else unit.name,
            notation=letter["notation"],
            type=letter.get("type", "công văn"),
            subject=letter["subject"],
            signer=letter.get("signer", ""),
            urgency=letter.get("urgency", Urgency.NORMAL),
            secrecy=letter.get("secrecy", Secrecy.NONE),
            issued_on=letter.get("issued_on"),
            due=letter.get("due"),
            receipts=[SaidReceiptView.of(said) for said in row.receipts],
        )


class ToldPage(View):
    """A page of a unit's deliveries."""

    items: list[ToldDeliveryView]
    """In the order of the unit's sequence."""
    next: int | None
    """What to give as `after` for the next page; null at the end."""
