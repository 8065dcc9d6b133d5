"""Opens the ledger's database, SQLite or PostgreSQL, and brings its tables to the revision this program needs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, Engine, NullPool, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from router.errors import LedgerRevisionError, LedgerTroubleError, LedgerUnavailableError
from router.ledger.log.appending import transaction
from router.process.fate import Fate, code_of, fate_of
from router.storage import postgres
from router.storage.sqlite import READS, open_sqlite
from router.tls.troubles import trouble_of as tls_trouble_of

ANSWERS_WITHIN = 30.0
"""Seconds that one statement or commit may take, when nothing else is said."""
MIGRATES_WITHIN = 3600.0
"""As above while the tables are changed, the wait for another router that changes them included."""
HEAD = "head"
BASE = "base"
_MIGRATION_LOCK = 0x6C6564676572  # any number of our own: PostgreSQL's advisory locks are told apart by it
_POSTGRES = {"postgres", "postgresql", "postgresql+psycopg"}


def open_engine(url: str, *, answers_within: float = ANSWERS_WITHIN) -> Engine:
    """A pool of connections to the ledger; nothing is connected yet.

    :func:`writing` is a transaction on it that writes, :func:`reading` one that reads. The number of connections is
    bounded by the callers' threads, not here.

    Args:
        url: ``sqlite:///path`` or ``postgresql://…``, of which several hosts may be named.
        answers_within: seconds until a PostgreSQL that does not answer a statement or commit counts as away.

    Raises:
        ValueError: the URL cannot be read, or names another kind of database.
    """
    return _open(url, foreign_keys=True, answers_within=answers_within, pool_size=8, max_overflow=-1)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads: all its queries see the ledger as it was at the first of them.

    Raises:
        LedgerUnavailableError: the database does not answer.
    """
    options: dict[str, Any] = {READS: True}
    if engine.dialect.name == "postgresql":
        options |= {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    with _naming_outages(), engine.connect() as conn:
        yield conn.execution_options(**options)


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes: committed at the end, rolled back when an error leaves it.

    Raises:
        LedgerUnavailableError: the database does not answer.
    """
    with _naming_outages(), transaction(engine) as conn:
        yield conn


def upgrade(target: str | Engine, revision: str = HEAD) -> None:
    """Bring the tables to a revision in one transaction; routers that start at once do so one after the other.

    Raises:
        LedgerUnavailableError: the database does not answer.
    """
    _migrate(target, lambda config: command.upgrade(config, revision))
    _close_to_others(make_url(target) if isinstance(target, str) else target.url)


def _close_to_others(url: URL) -> None:
    """A ledger in a file is its user's alone, also one made before that was so; SQLite's files beside it follow."""
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                Path(url.database + suffix).chmod(0o600)


def bring_up_to_date(engine: Engine) -> None:
    """As :func:`upgrade`; tables that are at this program's revision are only looked at, which a standby allows.

    Raises:
        LedgerUnavailableError: the database does not answer.
    """
    if current_revision(engine) != ScriptDirectory.from_config(alembic_config()).get_current_head():
        upgrade(engine)
    _close_to_others(engine.url)


def downgrade(target: str | Engine, revision: str) -> None:
    """Take the tables back to an older revision in one transaction; ``base`` leaves none.

    Raises:
        LedgerUnavailableError: the database does not answer.
    """
    _migrate(target, lambda config: command.downgrade(config, revision))


def current_revision(engine: Engine) -> str | None:
    """The revision that the tables are at; None when there are none. Makes no SQLite file by looking for it.

    Raises:
        LedgerUnavailableError: the database does not answer.
    """
    if engine.dialect.name == "sqlite" and not _file_of(engine).exists():
        return None
    with reading(engine) as conn:
        return MigrationContext.configure(conn).get_current_revision()


def require_current(engine: Engine) -> None:
    """Refuse to work on tables of another revision than this program's.

    Raises:
        LedgerRevisionError: they are older, newer or not there.
        LedgerUnavailableError: the database does not answer.
    """
    needed = ScriptDirectory.from_config(alembic_config()).get_current_head()
    found = current_revision(engine)
    if found != needed:
        raise LedgerRevisionError(f"the ledger {engine.url!r} is at revision {found}, this program needs {needed}")


def file_of(url: str) -> Path | None:
    """The file that a ledger is, as all who name it name it; None: it is on PostgreSQL.

    Raises:
        ValueError: as :func:`open_engine`.
    """
    parsed = _parse(url)
    return Path(parsed.database or "").resolve() if parsed.drivername == "sqlite" else None


def alembic_config(conn: Connection | None = None) -> Config:
    """Alembic's configuration without a file; ``conn`` is what ``migrations/env.py`` works on."""
    config = Config(attributes={"connection": conn})
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


@contextmanager
def _naming_outages() -> Iterator[None]:
    """Raise what may pass as the ledger being away or in trouble; what is known to last is raised as it is."""
    try:
        yield
    except DBAPIError as error:
        fate = fate_of(error)
        if fate in {Fate.AWAY, Fate.CROSSED}:
            trouble = tls_trouble_of(error)
            raise LedgerUnavailableError(
                f"the ledger's database does not answer: {error.orig}", hint=trouble.advice if trouble else ""
            ) from error
        if fate is Fate.UNKNOWN:
            raise trouble_of(error) from error
        raise


def trouble_of(error: DBAPIError) -> LedgerTroubleError:
    """How a failure is reported when nobody knows whether it will pass."""
    return LedgerTroubleError(f"the ledger's database failed with {code_of(error)}: {error.orig}")


def _migrate(target: str | Engine, act: Callable[[Config], None]) -> None:
    url = target if isinstance(target, str) else target.url.render_as_string(hide_password=False)
    # Without foreign keys: SQLite changes a table by making it anew, which must not delete the rows that point at it.
    engine = _open(url, foreign_keys=False, answers_within=MIGRATES_WITHIN, poolclass=NullPool)
    if engine.dialect.name == "sqlite":
        _file_of(engine).parent.mkdir(parents=True, exist_ok=True)
    try:
        with writing(engine) as conn:
            if conn.dialect.name == "postgresql":
                conn.exec_driver_sql("SELECT pg_advisory_xact_lock(%s)", (_MIGRATION_LOCK,))
            act(alembic_config(conn))
    finally:
        engine.dispose()


def _open(url: str, *, foreign_keys: bool, answers_within: float, **pool: Any) -> Engine:
    parsed = _parse(url)
    if parsed.drivername == "sqlite":
        return open_sqlite(parsed, {"foreign_keys": int(foreign_keys)}, **pool)
    return postgres.open_postgres(parsed, answers_within=answers_within, **pool)


def _file_of(engine: Engine) -> Path:
    return Path(engine.url.database or "")


def _parse(url: str) -> URL:
    try:
        parsed = make_url(postgres.with_hosts_apart(url))
    except (ArgumentError, ValueError):
        raise ValueError("the ledger's URL cannot be read; write sqlite:///path or postgresql://host/name") from None
    if parsed.drivername in _POSTGRES:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername != "sqlite" or not parsed.database or parsed.database == ":memory:":
        raise ValueError(f"{parsed.drivername!r} is no ledger; write sqlite:///path or postgresql://host/name")
    return parsed
