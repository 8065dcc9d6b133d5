"""The login that the compose file's database gets: it works for a router, and for nothing else."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from router.ledger.engine import open_engine, require_current, upgrade
from support.postgres import PrivatePostgres, program

SCRIPT = Path(__file__).parents[3] / "deploy/postgres/10-congvan.sh"


@pytest.fixture(scope="module")
def prepared() -> Iterator[PrivatePostgres]:
    """A server as the image has it when it runs the script."""
    server = PrivatePostgres()
    try:
        server.start()
        path = f"{Path(program('psql')).parent}:{os.environ['PATH']}"
        environment = {"PATH": path, "PGHOST": str(server.directory), "CONGVAN_DB_PASSWORD": 'it\'s 100% "odd"; --'}
        subprocess.run([SCRIPT], env=environment, check=True)
        yield server
    finally:
        server.remove()


def connection(server: PrivatePostgres, user: str, database: str) -> psycopg.Connection[tuple[object, ...]]:
    return psycopg.connect(host=str(server.directory), user=user, dbname=database)


def test_a_router_makes_its_tables_with_it(prepared: PrivatePostgres) -> None:
    engine = open_engine(make_url(prepared.url).set(username="congvan", database="congvan").render_as_string())
    upgrade(engine)
    require_current(engine)
    engine.dispose()


def test_it_is_no_administrator(prepared: PrivatePostgres) -> None:
    with connection(prepared, "postgres", "postgres") as conn:
        rights = conn.execute(
            "SELECT rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls FROM pg_roles "
            "WHERE rolname = 'congvan'"
        ).fetchone()
        stored = conn.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'congvan'").fetchone()
    assert rights == (False,) * 5
    assert stored
    assert str(stored[0]).startswith("SCRAM-SHA-256")
    with connection(prepared, "congvan", "congvan") as conn, pytest.raises(psycopg.errors.InsufficientPrivilege):
        conn.execute("CREATE ROLE another")
    with pytest.raises(psycopg.OperationalError, match="permission denied"):
        connection(prepared, "congvan", "postgres")
