"""How a PostgreSQL is connected to: no answer is waited for without an end, and poolers and fail-overs are lived with.

A server that was stopped, not ended, still has its kernel acknowledge what we send; so TCP's own time-outs see nothing,
and each wait for an answer has one of its own. When it is over, a new connection tells a server that is away from a
statement that takes too long: only the first is worth waiting for. Nothing is set in the session, as a pooler in
transaction mode gives every transaction another one.
"""

import contextlib
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import URL, Engine, ExceptionContext, create_engine, event

from router.process.fate import Fate, fate_of_database
from router.storage.postgres_tls import explained

CONNECT_TIMEOUT = 5
"""Seconds until a PostgreSQL that does not answer counts as down, of each host that is named."""
_WAIT_INTERVAL = 0.1
_DEFAULTS = {
    "connect_timeout": CONNECT_TIMEOUT,
    "application_name": "congvan",
    "keepalives_idle": 10,  # seconds; a host that vanished is noticed after 10 + 3 times 5
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds that what we sent may stay unacknowledged
}
"""libpq's settings, unless the URL has them."""
_HOSTS = re.compile(r"^(?P<login>(?:[^@]*@)?)(?P<hosts>[^@]*,[^@]*)$")


class PatientConnection(psycopg.Connection[Any]):
    """A connection on which an answer may take ``answers_within`` seconds; then it is given up.

    ``answers_within`` is None until it is set: then an answer may take as long as it likes. ``another`` makes a new
    connection to the same database, to ask whether it answers at all.
    """

    answers_within: float | None = None
    another: "Callable[[], PatientConnection] | None" = None
    _committing = False

    def commit(self) -> None:
        """Commit. One that takes too long says nothing of its transaction: the disk is what it waits for."""
        self._committing = True
        try:
            super().commit()
        finally:
            self._committing = False

    def wait(self, gen: Any, interval: float = _WAIT_INTERVAL, timeout: float | None = None) -> Any:
        """Wait for an answer.

        Raises:
            psycopg.errors.QueryCanceled: it did not come in time, but others get theirs; the statement is cancelled.
            psycopg.OperationalError: it did not come in time; the connection is closed, as in the case above.
        """
        try:
            return super().wait(gen, interval, timeout if timeout is not None else self.answers_within)
        except psycopg.OperationalError as error:
            if error.sqlstate is None and self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                raise self._given_up() from error
            raise

    def _given_up(self) -> psycopg.OperationalError:
        """Leave nothing running at the server, and no connection; what is to be said of it."""
        too_long = not self._committing and self._answers_others()
        if too_long:
            with contextlib.suppress(psycopg.Error):
                self.cancel_safe(timeout=CONNECT_TIMEOUT)
        self.pgconn.finish()
        if too_long:
            return psycopg.errors.QueryCanceled(f"a statement took longer than {self.answers_within} s")
        return psycopg.OperationalError(f"no answer within {self.answers_within} s")

    def _answers_others(self) -> bool:
        if self.another is None:
            return False
        try:
            with self.another() as other:
                other.execute("SELECT 1", prepare=False)
        except psycopg.Error:
            return False
        return True


def connect_args(url_query: Any) -> dict[str, Any]:
    """What libpq is given besides the URL: a fail-over between several hosts wants the one that can be written to."""
    args: dict[str, Any] = {name: value for name, value in _DEFAULTS.items() if name not in url_query}
    hosts = url_query.get("host", "")
    several = isinstance(hosts, tuple) or "," in hosts
    if several and "target_session_attrs" not in url_query:
        args["target_session_attrs"] = "read-write"
    return args


def with_hosts_apart(url: str) -> str:
    """A URL with several hosts as libpq writes it, in the form that SQLAlchemy reads.

    >>> with_hosts_apart("postgresql://u@a:1,b:2/congvan?sslmode=require")
    'postgresql://u@/congvan?sslmode=require&host=a%3A1&host=b%3A2'
    """
    if not url.startswith("postgres"):
        return url
    parts = urlsplit(url)
    found = _HOSTS.match(parts.netloc)
    if found is None:
        return url
    query = [*parse_qsl(parts.query, keep_blank_values=True), *(("host", host) for host in found["hosts"].split(","))]
    return parts._replace(netloc=found["login"], query=urlencode(query)).geturl()


def open_postgres(url: URL, *, answers_within: float | None, **pool: Any) -> Engine:
    """An engine whose connections are patient ones, fit for a pooler, and let go of when they lead nowhere.

    Args:
        url: of psycopg's driver.
        answers_within: see :class:`PatientConnection`.
        pool: SQLAlchemy's arguments for the pool of connections.
    """
    connect = connect_args(url.query)
    engine = create_engine(url, connect_args=connect, pool_pre_ping=True, hide_parameters=True, **pool)

    def on_do_connect(_dialect: object, _record: object, cargs: Any, cparams: Any) -> PatientConnection:
        def another() -> PatientConnection:
            made = PatientConnection.connect(*cargs, **cparams)
            made.answers_within = CONNECT_TIMEOUT
            return made

        try:
            connection = PatientConnection.connect(*cargs, **cparams)
        except psycopg.OperationalError as error:
            raise explained(error, cparams) from error
        connection.answers_within = answers_within
        if is_pooled(connection):
            connection.prepare_threshold = None  # what is prepared belongs to a server's session, the next has another
        connection.another = another
        return connection

    event.listen(engine, "do_connect", on_do_connect)
    event.listen(engine, "handle_error", _let_go)
    return engine


def is_pooled(connection: psycopg.Connection[Any]) -> bool:
    """Whether a pooler stands between: the process that answers is another than the one we were told of."""
    before = connection.autocommit
    connection.autocommit = True
    found = connection.execute("SELECT pg_backend_pid()", prepare=False).fetchone()
    connection.autocommit = before
    return found is None or found[0] != connection.info.backend_pid


def _let_go(context: ExceptionContext) -> None:
    """A connection to a standby answers every write with an error, for ever: make a new one, perhaps elsewhere."""
    error = context.original_exception
    if not isinstance(error, psycopg.Error):
        return
    fate = fate_of_database(error)
    if fate in {Fate.AWAY, Fate.UNKNOWN}:
        context.is_disconnect = True
        context.invalidate_pool_on_disconnect = fate is Fate.AWAY
