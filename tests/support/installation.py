"""A whole installation as users run it: a broker, router and gateway processes, each of which can be killed."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path

from sqlalchemy import Engine, func, select

from router.ledger.engine import open_engine, reading, upgrade
from router.ledger.models import delivery
from router.ledger.models import unit as unit_table
from router.ledger.people.accounts import create_account
from router.ledger.units.unit_list import import_units
from schemas.accounts import Account, Role
from schemas.clock import now_ms
from schemas.unit import Unit
from support.broker import Vhost
from support.conditions import pauses
from support.fork_server import Forked, fork_server, may_be_forked

CONGVAN = [sys.executable, "-m", "deploy.main"]
START_WITHIN = 180.0


@dataclass(slots=True)
class Program:
    """One process that can be killed and started again; its output goes to a file."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | Forked | None = None
    wanted: bool = False
    """It was started, and nobody has ended it."""

    def start(self) -> None:
        self.wanted = True
        with self.log.open("ab") as out:
            if self.command[: len(CONGVAN)] == CONGVAN and may_be_forked(self.environment):
                self.process = fork_server().start(self.command[len(CONGVAN) :], self.environment, out)
            else:
                self.process = subprocess.Popen(
                    self.command, env=self.environment, stdout=out, stderr=out, stdin=subprocess.DEVNULL
                )

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """As when the power goes."""
        self.wanted = False
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def stop(self, within: float = 30.0) -> int:
        """SIGTERM, and its exit code; SIGKILL when it does not end."""
        self.wanted = False
        if self.process is None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def require_alive(self) -> None:
        if self.wanted and self.process is not None and self.process.poll() is not None:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n{self.tail()}")

    def tail(self, lines: int = 30) -> str:
        """What it printed last."""
        if not self.log.exists():
            return "(was not started)"
        return "\n".join(self.log.read_text("utf-8", errors="replace").splitlines()[-lines:])


@dataclass(slots=True)
class Installation:
    """Router and gateways over a vhost, with the organisation they serve."""

    directory: Path
    vhost: Vhost
    ledger_url: str
    port: int
    engine: Engine
    tokens: dict[str, str] = field(default_factory=dict)
    programs: list[Program] = field(default_factory=list)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def account(self, role: Role, pattern: str) -> str:
        """The token of an account, made when it is new."""
        account = Account(role, pattern)
        if account.name not in self.tokens:
            with self.engine.begin() as connection:
                self.tokens[account.name] = create_account(connection, account, now_ms=now_ms())
        return self.tokens[account.name]

    def router(self, name: str = "router", **settings: object) -> Program:
        """A router process, not started yet; settings are the fields of RouterSettings."""
        environment = _environment(
            {
                "CONGVAN_DATA_DIR": self.directory / "router",
                "CONGVAN_LEDGER_URL": self.ledger_url,
                "CONGVAN_AMQP_URL": self.vhost.amqp_url,
                "CONGVAN_AMQP_USER": self.vhost.user,
                "CONGVAN_AMQP_PASSWORD": self.vhost.password,
                "CONGVAN_MANAGEMENT_URL": self.vhost.management_url,
                "CONGVAN_HTTP_PORT": self.port,
            }
            | {f"CONGVAN_{name.upper()}": value for name, value in settings.items()}
        )
        return self._program(name, [*CONGVAN, "router"], environment)

    def gateway(self, pattern: str, name: str = "gateway", **settings: object) -> Program:
        """A gateway process, not started yet; settings are the fields of GatewaySettings."""
        environment = _environment(
            {
                "CONGVAN_GATEWAY_DATA_DIR": self.directory / name,
                "CONGVAN_GATEWAY_UNITS": pattern,
                "CONGVAN_GATEWAY_TOKEN": self.account(Role.GATEWAY, pattern),
                "CONGVAN_GATEWAY_AMQP_URL": self.vhost.amqp_url,
                "CONGVAN_GATEWAY_ORIGIN_URL": self.api,
            }
            | {f"CONGVAN_GATEWAY_{key.upper()}": value for key, value in settings.items()}
        )
        return self._program(name, [*CONGVAN, "gateway", "run"], environment)

    def _program(self, name: str, command: list[str], environment: dict[str, str]) -> Program:
        program = Program(name, command, environment, self.directory / f"{name}.log")
        self.programs.append(program)
        return program

    def wait_until_ready(self) -> None:
        """Until the API, its broker and its database answer."""
        self.wait(self.is_ready, "the router is ready")

    def is_ready(self) -> bool:
        """Whether the API, its broker and its database answer."""
        return self._all_run() and _status(f"{self.api}/readyz") == HTTPStatus.OK

    def wait_until_seen(self, codes: Iterable[str]) -> None:
        """Until a gateway has said hello for all these units."""
        wanted = list(codes)
        seen = select(func.count()).where(unit_table.c.code.in_(wanted), unit_table.c.last_seen_at.is_not(None))

        def all_seen() -> bool:
            with reading(self.engine) as connection:
                return self._all_run() and connection.scalar(seen) == len(wanted)

        self.wait(all_seen, f"gateways of {len(wanted)} units were heard of")

    def _all_run(self) -> bool:
        """Nothing comes of a program that has ended."""
        for program in self.programs:
            program.require_alive()
        return True

    def states(self) -> dict[str, int]:
        """How many deliveries are in each state."""
        with reading(self.engine) as connection:
            rows = connection.execute(select(delivery.c.state, func.count()).group_by(delivery.c.state))
            return {state: count for state, count in rows}  # noqa: C416 - rows are tuples of the driver's

    def wait(self, condition: Callable[[], bool], what: str, within: float = START_WITHIN) -> None:
        """Until a condition holds; says what did not and what the processes printed."""
        for pause in pauses(within):
            if condition():
                return
            time.sleep(pause)
        logs = "\n".join(f"--- {program.name}\n{program.tail()}" for program in self.programs)
        raise AssertionError(f"not within {within:.0f} s: {what}; {self.states()}\n{logs}")


@contextlib.contextmanager
def installation(
    directory: Path, vhost: Vhost, units: Iterable[Unit], *, ledger_url: str = ""
) -> Iterator[Installation]:
    """An installation with these units in its ledger; its processes are killed at the end."""
    url = ledger_url or f"sqlite:///{directory / 'router' / 'ledger.sqlite3'}"
    upgrade(url)
    engine = open_engine(url)
    with engine.begin() as connection:
        import_units(connection, list(units), now_ms=now_ms())
    made = Installation(directory, vhost, url, free_port(), engine)
    try:
        yield made
    finally:
        for program in made.programs:
            program.kill()
        engine.dispose()


def _environment(settings: Mapping[str, object]) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONGVAN_")}
    return inherited | {name: str(value) for name, value in settings.items()}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - http, ours
            status: int = answer.status
            return status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
