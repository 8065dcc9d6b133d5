"""What Alembic runs: the revisions on the connection it is given, or, from its own command line, on the settings'."""

from alembic import context
from sqlalchemy import Connection

from router.ledger.engine import open_engine, writing
from router.ledger.models import metadata
from router.settings import RouterSettings


def run(conn: Connection) -> None:
    """Run the revisions in the transaction of ``conn``; DDL is transactional on both databases, as we begin it."""
    context.configure(
        connection=conn,
        target_metadata=metadata,
        transactional_ddl=True,
        render_as_batch=conn.dialect.name == "sqlite",
    )
    with context.begin_transaction():
        context.run_migrations()


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    with writing(open_engine(RouterSettings().database_url)) as connection:
        run(connection)
