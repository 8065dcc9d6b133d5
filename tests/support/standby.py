"""A PostgreSQL primary with a standby that follows it: for what happens when the one fails and the other takes over."""

import os
import shutil
import signal
import subprocess

import psycopg

from support.conditions import until
from support.postgres import PrivatePostgres

_PRIMARY = ("wal_level=replica", "wal_keep_size=256MB", "synchronous_commit=remote_apply")


class Pair:
    """Two servers in directories of their own, a primary and its standby; both end with who started them.

    The standby confirms every commit before it is answered: what a fail-over may lose is a question of its own, and
    not the router's.
    """

    def __init__(self) -> None:
        self.primary = PrivatePostgres(settings=_PRIMARY)
        self.standby = self.primary

    def start(self) -> None:
        """Start the primary, copy it, and start the copy as its standby."""
        self.primary.start()
        self.standby = PrivatePostgres(settings=_PRIMARY, copy_of=self.primary)
        self._hosts = (self.primary.directory, self.standby.directory)
        self._start_standby()

    def url(self, database: str) -> str:
        """Of a database at whichever of the two takes writes, as an operator writes it."""
        hosts = "&".join(f"host={directory}" for directory in self._hosts)
        return f"postgresql+psycopg://postgres@/{database}?{hosts}&target_session_attrs=read-write"

    def url_of_any(self, database: str) -> str:
        """Of a database at whichever of the two answers, though it may be a standby: as a name in DNS would be."""
        return self.url(database).replace("read-write", "any")

    def promote(self) -> None:
        """Have the standby take over, as whoever watches the two does in the end."""
        with psycopg.connect(self.standby.libpq, autocommit=True) as conn:
            conn.execute("ALTER SYSTEM SET synchronous_standby_names = ''")
            conn.execute("SELECT pg_promote(true, 60)")
        self.primary, self.standby = self.standby, self.primary

    def rebuild(self) -> None:
        """Have the one that failed follow the one that took over."""
        self.standby.follow(self.primary)
        self._start_standby()

    def remove(self) -> None:
        """End both and delete their data."""
        for server in {self.standby, self.primary}:
            server.remove()

    def _start_standby(self) -> None:
        self.standby.start()
        with psycopg.connect(self.primary.libpq, autocommit=True) as conn:
            conn.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            conn.execute("SELECT pg_reload_conf()")
            until(lambda: conn.execute("SELECT sync_state FROM pg_stat_replication").fetchone() == ("sync",))


class Bouncer:
    """PgBouncer in transaction mode before a server, on a Unix socket of its own; ends with whoever started it."""

    def __init__(self, server: PrivatePostgres) -> None:
        self.directory = server.directory / "bouncer"
        self.directory.mkdir(exist_ok=True)
        self._ini = self.directory / "pgbouncer.ini"
        self._ini.write_text(
            f"[databases]\n* = host={server.directory} user=postgres\n[pgbouncer]\n"
            f"listen_addr =\nunix_socket_dir = {self.directory}\nlisten_port = 6432\npool_mode = transaction\n"
            "auth_type = any\ndefault_pool_size = 5\nmax_client_conn = 200\n"
            f"logfile = {self.directory}/log\nserver_reset_query_always = 0\n"
        )
        if os.geteuid() == 0:
            for path in (self.directory, self._ini):
                shutil.chown(path, "postgres", "postgres")
        self._server = server
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str) -> str:
        """Of a database behind it."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.directory}&port=6432"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        command = self._server.as_owner([_pgbouncer(), str(self._ini)])
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        until(self._answers)

    def stop(self) -> None:
        """End it at once, with all that is under way."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(30)
            self._process = None

    def _answers(self) -> bool:
        try:
            psycopg.connect(f"host={self.directory} port=6432 user=postgres dbname=postgres").close()
        except psycopg.OperationalError:
            return False
        return True


def _pgbouncer() -> str:
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert found, "pgbouncer is missing: install Debian's package pgbouncer"
    return found
