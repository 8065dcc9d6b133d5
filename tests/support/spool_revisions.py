"""A spool as an earlier program left it."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from consumers.spool import store


def take_back(conn: Connection, revision: str) -> None:
    """Undo the revisions of a spool after one."""
    config = Config(attributes={"connection": conn})
    config.set_main_option("script_location", str(Path(store.__file__).with_name("migrations")))
    config.set_main_option("path_separator", "os")
    command.downgrade(config, revision)
