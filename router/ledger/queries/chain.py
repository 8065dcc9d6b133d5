"""The chain of a delivery's receipts: each link is a digest over its receipt and the link before it.

Whoever has the receipts can compute it again; a receipt that was changed, left out or put in shows in every link from
there on. A printed certificate names the last link.
"""

from collections.abc import Iterable, Iterator
from hashlib import sha256

import orjson

from router.ledger.queries import ReceiptRow

_FIELDS = ("id", "status", "at", "content_sha256", "reason", "person", "department", "register_number", "attempts")
_WHERE_SAID = ("corrects", "undoes")


def links_of(delivery_id: str, receipts: Iterable[ReceiptRow]) -> Iterator[str]:
    """For each receipt, in the order of the ledger, its link: lower-case hexadecimal SHA-256.

    A link is taken over the link before it (the first over the delivery's id), a line feed, and the receipt as a JSON
    object without spaces, in UTF-8, with the keys ``id status at content_sha256 reason person department
    register_number attempts`` in this order; then, where it puts another receipt right, ``corrects`` or ``undoes``.
    """
    before = delivery_id
    for row in receipts:
        said = {name: getattr(row, name) for name in _FIELDS}
        said |= {name: value for name in _WHERE_SAID if (value := getattr(row, name)) is not None}
        before = sha256(before.encode() + b"\n" + orjson.dumps(said)).hexdigest()
        yield before
