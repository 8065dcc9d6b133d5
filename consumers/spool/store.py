"""Opens the spool: one SQLite file, its tables brought to the revision this program needs.

Several processes may open it at once (the gateway and a person's command): readers never wait, a writer takes the
lock when its transaction begins. ``synchronous=FULL``: a commit that returned survives a power cut.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError

from consumers.errors import SpoolRevisionError, SpoolUnavailableError
from consumers.spool.models import meta
from router.process.fate import fate_of
from schemas.ids import new_id

FILE_NAME = "spool.sqlite3"
HEAD = "0001"
"""The newest revision under ``migrations/versions``; here so that opening a current spool needs no Alembic."""
LOCK_TIMEOUT = 30
"""Seconds a writer waits for another process's commit."""
CACHE_KIB = 16 * 1024
_SPOOL_ID = "spool_id"
_READS = "spool_reads"


@dataclass(frozen=True, slots=True)
class Spool:
    """An open spool; ``id`` was made with it and tells it from one made anew in its place."""

    engine: Engine
    path: Path
    id: str = ""

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees the spool as it was at its first query.

        Raises:
            SpoolUnavailableError: the file cannot be read now.
        """
        with _naming_trouble(self.path), self.engine.connect() as conn:
            yield conn.execution_options(**{_READS: True})

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is committed at the end, or rolled back when an error leaves it.

        Raises:
            SpoolUnavailableError: the disk is full or the file is locked.
        """
        with _naming_trouble(self.path), self.engine.begin() as conn:
            yield conn

    @contextmanager
    def watching(self) -> Iterator[Callable[[], int]]:
        """A function whose result changes when any other connection, of any process, has changed the spool."""
        connection = sqlite3.connect(self.path, check_same_thread=False)
        turn = threading.Lock()

        def version() -> int:
            with turn:
                return int(connection.execute("PRAGMA data_version").fetchone()[0])

        try:
            yield version
        finally:
            with turn:  # a caller that was cancelled leaves its question running in a thread
                connection.close()

    def close(self) -> None:
        """Close the connections; the spool may be opened again."""
        self.engine.dispose()


def open_spool(data_dir: Path) -> Spool:
    """Open a gateway's spool, made when there is none.

    Args:
        data_dir: the gateway's data directory.

    Raises:
        SpoolRevisionError: it was written by a newer program.
        SpoolUnavailableError: the disk is full or the file is locked.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data_dir / FILE_NAME
    spool = Spool(_engine(path), path)
    with spool.writing() as conn:
        _upgrade(conn)
        conn.execute(insert(meta).values(key=_SPOOL_ID, value=new_id()).on_conflict_do_nothing())
        spool_id = conn.scalars(select(meta.c.value).where(meta.c.key == _SPOOL_ID)).one()
    return Spool(spool.engine, path, spool_id)


def open_to_read(data_dir: Path) -> Spool:
    """Open the spool of a gateway that may be running, for reading alone: SQLite refuses every write.

    Args:
        data_dir: the gateway's data directory; the spool has to be there.

    Raises:
        SpoolRevisionError: it was written by another version of the program.
        SpoolUnavailableError: it cannot be read now.
    """
    path = data_dir / FILE_NAME
    spool = Spool(_engine(path, writes=False), path)
    with spool.reading() as conn:
        if (found := _revision(conn)) != HEAD:
            raise SpoolRevisionError(
                f"the spool is at revision {found}, this program reads {HEAD}; start the gateway with this program, "
                "or read with the one that wrote it"
            )
        spool_id = conn.scalars(select(meta.c.value).where(meta.c.key == _SPOOL_ID)).one()
    return Spool(spool.engine, path, spool_id)


def _engine(path: Path, *, writes: bool = True) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": LOCK_TIMEOUT})

    def on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # transactions begin where we say so, see on_begin
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        connection.execute(f"PRAGMA query_only={'OFF' if writes else 'ON'}")

    def on_begin(conn: Connection) -> None:
        conn.exec_driver_sql("BEGIN" if conn.get_execution_options().get(_READS) else "BEGIN IMMEDIATE")

    event.listen(engine, "connect", on_connect)
    event.listen(engine, "begin", on_begin)
    return engine


def _revision(conn: Connection) -> str | None:
    if not conn.dialect.has_table(conn, "alembic_version"):
        return None
    revision: str | None = conn.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return revision


def _upgrade(conn: Connection) -> None:
    found = _revision(conn)
    if found == HEAD:
        return
    from alembic import command  # noqa: PLC0415 - 0.2 s that a current spool does not need
    from alembic.config import Config  # noqa: PLC0415 - as above
    from alembic.util import CommandError  # noqa: PLC0415 - as above

    config = Config(attributes={"connection": conn})
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    try:
        command.upgrade(config, HEAD)
    except CommandError as error:
        raise SpoolRevisionError(
            f"the spool is at revision {found}, which this program (at {HEAD}) does not know; "
            "run the program that wrote it, or a newer one"
        ) from error


@contextmanager
def _naming_trouble(path: Path) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if not fate_of(error).passes:
            raise
        raise SpoolUnavailableError(f"the spool {path} cannot be used now: {error.orig}") from error
