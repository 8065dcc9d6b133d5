"""The ledger's revisions, run by :mod:`router.ledger.engine`; ``alembic revision --autogenerate`` makes a new one."""
