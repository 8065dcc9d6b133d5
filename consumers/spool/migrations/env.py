"""What Alembic runs: the revisions, in the transaction of the connection that it is given."""

from alembic import context

from consumers.spool.models import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
