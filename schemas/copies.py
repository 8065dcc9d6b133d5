"""The copy of a unit's books that the router keeps for its gateway: a chain of pieces, opaque to all but the unit.

The first piece of a chain holds everything, each other one what has changed since the piece before. Their bytes go up
as any content does, by their SHA-256; then the piece is named in its chain. The router keeps the newest chain of a
spool and the one before it, and gives them to the account that brought them and to nobody else.
"""

from typing import Annotated

from pydantic import Field

from schemas.attachment import Sha256
from schemas.ids import Id
from schemas.model import Travelling

MAX_PIECES = 60
"""Pieces of a chain: after that everything is copied anew."""
MAX_PIECE_BYTES = 32 * 1024**2
MAX_ACCOUNT_BYTES = 8 * MAX_PIECE_BYTES
"""All chains of an account: for more, the oldest are forgotten."""
CHAINS_OF_SPOOL = 2
MAX_CHAINS = 6
"""Chains of one account, of all its spools, lost ones among them."""
PieceNumber = Annotated[int, Field(ge=0, lt=MAX_PIECES)]


class NewPiece(Travelling):
    """Names bytes that the account has brought as a piece of a chain."""

    sha256: Sha256
    """Of the bytes."""
    size: Annotated[int, Field(ge=1, le=MAX_PIECE_BYTES)]
    """How many they are."""
    spool_id: Id
    """Of the gateway's spool whose books they hold."""
