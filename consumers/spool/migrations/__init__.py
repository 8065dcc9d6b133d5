"""Alembic's revisions of the spool."""
