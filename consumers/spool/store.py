"""Opens the spool: one SQLite file, its tables brought to the revision this program needs.

Several processes may open it at once (the gateway and a person's command): readers never wait, a writer takes the
lock when its transaction begins. ``synchronous=FULL``: a commit that returned survives a power cut.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import orjson
import structlog
from sqlalchemy import Connection, Engine, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError

from consumers.errors import SpoolDamagedError, SpoolInUseError, SpoolRevisionError, SpoolUnavailableError
from consumers.spool import damage
from consumers.spool.models import inbox, meta
from router.process.fate import fate_of
from router.storage.lock import alone
from router.storage.sqlite import READS, open_sqlite
from schemas.events import Event
from schemas.ids import is_id, new_id

log = structlog.get_logger()
FILE_NAME = "spool.sqlite3"
LOCK_NAME = "gateway.lock"
"""Held by the one gateway process of a data directory."""
HEAD = "0010"
"""The newest revision under ``migrations/versions``; here so that opening a current spool needs no Alembic."""
CACHE_KIB = 2 * 1024
"""Of each connection, of which a process has up to a dozen; the system keeps the rest of the file in its own cache."""
STATUS_NAME = "status.json"
"""Written by :mod:`consumers.status` beside the spool."""
_SPOOL_ID = "spool_id"
_REPLACES = "replaces"


@dataclass(frozen=True, slots=True)
class Spool:
    """An open spool; ``id`` was made with it and tells it from one made anew in its place."""

    engine: Engine
    path: Path
    id: str = ""
    replaces: str = ""
    """The id of the spool that lay here before, which can no longer work; empty when none did, or it is not known."""
    damage: list[str] = field(default_factory=list)
    """What was found to be damaged since it was opened."""

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees the spool as it was at its first query.

        Raises:
            SpoolUnavailableError: the file cannot be read now.
        """
        with _naming_trouble(self.path, self.damage), self.engine.connect() as conn:
            yield conn.execution_options(**{READS: True})

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that is committed at the end, or rolled back when an error leaves it.

        Raises:
            SpoolUnavailableError: the disk is full or the file is locked.
        """
        with _naming_trouble(self.path, self.damage), self.engine.begin() as conn:
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

    def is_new(self) -> bool:
        """Whether nothing was ever taken into it.

        Raises:
            SpoolUnavailableError: the file cannot be read now.
        """
        with self.reading() as conn:
            return conn.scalar(select(inbox.c.pos).limit(1)) is None

    def close(self) -> None:
        """Close the connections; the spool may be opened again."""
        self.engine.dispose()


def hosting_alone(data_dir: Path) -> AbstractContextManager[None]:
    """Be the only gateway process that works on a data directory.

    Raises:
        SpoolInUseError: another process does; names its process id.
    """

    def in_use(holder: str) -> SpoolInUseError:
        return SpoolInUseError(
            f"{data_dir} is in use by another gateway (process {holder}); "
            "stop it, or give this one its own CONGVAN_GATEWAY_DATA_DIR"
        )

    return alone(data_dir / LOCK_NAME, in_use)


def open_spool(data_dir: Path) -> Spool:
    """Open a gateway's spool, made when there is none.

    Args:
        data_dir: the gateway's data directory.

    Raises:
        SpoolRevisionError: it was written by a newer program.
        SpoolUnavailableError: the disk is full or the file is locked.
        SpoolDamagedError: its file is damaged.
    """
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = data_dir / FILE_NAME
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)  # also one made before that was so; what SQLite makes beside it follows
    except OSError as error:
        raise SpoolUnavailableError(f"the spool {path} cannot be used now: {error}") from error
    spool = Spool(_engine(path), path)
    try:
        return _opened(spool, _before(data_dir))
    except SpoolDamagedError:
        spool.close()
        raise
    except Exception:
        spool.close()
        damage.require_sound(path)  # what looks like another program's may be garbled
        raise


def open_or_begin_anew(data_dir: Path) -> Spool:
    """The same for the gateway itself, which holds the directory: a damaged spool is put aside, an empty one made.

    Raises:
        SpoolRevisionError: as above.
        SpoolUnavailableError: as above.
    """
    path = data_dir / FILE_NAME
    try:
        if _before(data_dir) and path.exists() and not path.stat().st_size and not damage.was_left_open(path):
            raise damage.damaged(path, "it is empty")
        if damage.was_left_open(path):
            damage.require_sound(path)
        return open_spool(data_dir)
    except SpoolDamagedError as error:
        aside = damage.put_aside(path)
        log.warning(Event.SPOOL_PUT_ASIDE, reason=str(error), now=aside.name)
        return open_spool(data_dir)


def _opened(spool: Spool, before: str) -> Spool:
    with spool.writing() as conn:
        _upgrade(conn)
        found = _names(conn)
        if _SPOOL_ID not in found:
            made = {_SPOOL_ID: new_id()} | ({_REPLACES: before} if before else {})
            rows = [{"key": key, "value": value} for key, value in made.items()]
            conn.execute(insert(meta).on_conflict_do_nothing(), rows)
            found = _names(conn)
    return Spool(spool.engine, spool.path, found[_SPOOL_ID], found.get(_REPLACES, ""))


def _names(conn: Connection) -> dict[str, str]:
    wanted = meta.c.key.in_([_SPOOL_ID, _REPLACES])
    return {row.key: row.value for row in conn.execute(select(meta.c.key, meta.c.value).where(wanted))}


def _before(data_dir: Path) -> str:
    """The id of the spool that was here last, as the status file names it; empty when it does not."""
    try:
        told = orjson.loads((data_dir / STATUS_NAME).read_bytes())["spool_id"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    return told if isinstance(told, str) and is_id(told) else ""


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
    pragmas = {"cache_size": -CACHE_KIB, "query_only": "OFF" if writes else "ON"}
    return open_sqlite(f"sqlite:///{path}", pragmas, pool_use_lifo=True)  # the caches of few connections are filled


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
def _naming_trouble(path: Path, found: list[str]) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        if damage.is_damage(error.orig):
            found.append(str(error.orig))
            raise damage.damaged(path, str(error.orig)) from error
        if not fate_of(error).passes:
            raise
        raise SpoolUnavailableError(f"the spool {path} cannot be used now: {error.orig}") from error
