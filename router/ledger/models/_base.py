"""What all tables share: the metadata, and the types of their keys."""

from sqlalchemy import BigInteger, Integer, MetaData, String

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)
Serial = BigInteger().with_variant(Integer, "sqlite")
# Compared by bytes on every database, so that a subtree is one range of an index: see router.ledger.scope.
Id = String(36).with_variant(String(36, collation="C"), "postgresql")
Word = String(64).with_variant(String(64, collation="C"), "postgresql")
Code = String(100).with_variant(String(100, collation="C"), "postgresql")
