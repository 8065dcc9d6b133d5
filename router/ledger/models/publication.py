"""How far what is recorded has been told to others."""

from sqlalchemy import BigInteger, Column, String, Table

from router.ledger.models._base import metadata

publication = Table(
    "publication",
    metadata,
    Column("name", String(40), primary_key=True),  # the exchange that it is published to
    Column("through", BigInteger, nullable=False),  # receipt.pos up to which everything is published
    # One router at a time publishes, in the order of the log: this one until then. Empty and 0: nobody.
    Column("owner", String(36), nullable=False, server_default=""),
    Column("until", BigInteger, nullable=False, server_default="0"),
)
