"""PostgreSQL for tests: a private cluster as a child process, or the server CONGVAN_TEST_POSTGRES_URL names."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psutil
import psycopg
from sqlalchemy import make_url

GIVEN = "CONGVAN_TEST_POSTGRES_URL"
_SYSTEM_USER = "postgres"
# Vietnamese by default, so that a column which is compared by language where bytes are meant shows in a test.
_INITDB = ("--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
_LANGUAGE = ("--locale-provider=icu", "--icu-locale=vi")
# A killed server process loses nothing without fsync, only a machine without power does.
# Nor does it look by itself at what is in the tables, after a minute perhaps: a plan is what a test makes it.
_SETTINGS = (
    *("listen_addresses=", "fsync=off", "autovacuum=off"),
    *("max_connections=60", "shared_buffers=32MB", "log_min_messages=warning"),
)


class PrivatePostgres:
    """A cluster in a directory of its own, on a Unix socket in it; it ends with the process that started it.

    Args:
        settings: of the server, beside the usual ones.
        copy_of: a running server that it is to follow as a standby; None: it is a new one.
        port: of its socket, and of an address where settings name one.
    """

    def __init__(
        self, *, settings: tuple[str, ...] = (), copy_of: "PrivatePostgres | None" = None, port: int = 5432
    ) -> None:
        self.port = port
        self.directory = Path(tempfile.mkdtemp(prefix="congvan-pg-"))
        self.settings = [*_SETTINGS, f"port={port}", *settings]
        self._process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            shutil.chown(self.directory, _SYSTEM_USER, _SYSTEM_USER)
        if copy_of is not None:
            self.follow(copy_of)
            return
        making = [program("initdb"), *_INITDB, *_LANGUAGE, "--pgdata", str(self._data)]
        subprocess.run(self.as_owner(making), check=True, stdout=subprocess.DEVNULL, cwd="/")

    def follow(self, other: "PrivatePostgres") -> None:
        """Begin anew as a copy of a running server, its standby from the next start on."""
        shutil.rmtree(self._data, ignore_errors=True)
        source = ["--host", str(other.directory), "--username", "postgres", "--pgdata", str(self._data)]
        making = [program("pg_basebackup"), *source, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]
        subprocess.run(self.as_owner(making), check=True, stdout=subprocess.DEVNULL, cwd="/")

    @property
    def libpq(self) -> str:
        """The administrator's database, as libpq has it."""
        return f"host={self.directory} port={self.port} user=postgres dbname=postgres"

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the administrator's database."""
        return f"postgresql+psycopg://postgres@/postgres?host={self.directory}&port={self.port}"

    def start(self) -> None:
        """Start the server and wait until it takes connections."""
        settings = [part for setting in self.settings for part in ("-c", setting)]
        server = [program("postgres"), "-D", str(self._data), "-k", str(self.directory), *settings]
        with (self.directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(self.as_owner(server), stdout=log, stderr=log, cwd="/")
        _wait_for(self.url)

    def stop(self) -> None:
        """Stop the server, closing its connections."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill the server and all its processes, as a crash would."""
        self._end(signal.SIGQUIT)

    def freeze(self, *, frozen: bool) -> None:
        """SIGSTOP the server and all its processes, as a machine without time would; or let them go on."""
        assert self._process is not None
        server = psutil.Process(self._process.pid)
        for process in [server, *server.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend() if frozen else process.resume()

    def remove(self) -> None:
        """Stop the server and delete its data."""
        self.kill()
        shutil.rmtree(self.directory)

    @property
    def _data(self) -> Path:
        return self.directory / "data"

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def as_owner(self, command: list[str]) -> list[str]:
        """The command as the user the cluster belongs to: PostgreSQL refuses to run as root."""
        owner = ["--reuid", _SYSTEM_USER, "--regid", _SYSTEM_USER, "--clear-groups"] if os.geteuid() == 0 else []
        return ["setpriv", *owner, "--pdeathsig", "QUIT", *command]


@contextmanager
def shared_server() -> Iterator[str]:
    """The URL of a server on which databases may be made: as given, or a private one for as long as it is used."""
    given = os.environ.get(GIVEN)
    if given:
        yield given
        return
    server = PrivatePostgres()
    try:
        server.start()
        yield server.url
    finally:
        server.remove()


@contextmanager
def fresh_database(server_url: str, template: str = "") -> Iterator[str]:
    """A database that is there for the length of one test: a copy of another, or empty."""
    name = f"test_{uuid4().hex[:12]}"
    copied = f' TEMPLATE "{template}"' if template else ""
    _administer(server_url, f'CREATE DATABASE "{name}"{copied}')
    try:
        yield make_url(server_url).set(database=name).render_as_string(hide_password=False)
    finally:
        _administer(server_url, f'DROP DATABASE "{name}" WITH (FORCE)')


def _administer(server_url: str, statement: str) -> None:
    with psycopg.connect(_libpq(server_url), autocommit=True) as conn:
        conn.execute(statement)


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(_libpq(url)).close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, "PostgreSQL does not take connections"
            time.sleep(0.05)
        else:
            return


def _libpq(url: str) -> str:
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def program(name: str) -> str:
    """The path of one of PostgreSQL's programs, of the newest version there is."""
    newest = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]), reverse=True
    )
    found = str(newest[0]) if newest else shutil.which(name)
    assert found, f"{name} is missing: install Debian's package postgresql, or set {GIVEN}"
    return found
