"""A private RabbitMQ node as a child process: its own directory, ports and login, on the loopback address.

From other machines it is reached by TLS alone, where a door is given.
"""

import fcntl
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import structlog

from router.broker import _node_config as config
from router.broker._node_probe import is_ready
from router.broker.errors import NodeError, NodeMissingError
from router.broker.node_door import NodeDoor
from router.broker.topology.capacity import handles_for, queues_that_fit
from schemas.events import Event

SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
"""Not the wrapper in /usr/sbin, which drops arguments and wants root."""
_KEEPER = Path(__file__).with_name("_keeper.py")
_LOOK_EVERY = 0.1
_MOST_HANDLES = 65_536
"""Enough for more than 29,000 queues: several times what RabbitMQ recommends for a cluster."""
_REPORTED_LINES = 15
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """Where a started node is reached, and its administrator's login. The URLs hold no login."""

    amqp_url: str
    management_url: str
    user: str
    password: str
    file_handles: int = 0
    """How many files it may have open; 0: not known."""


class PrivateNode:
    """One RabbitMQ node that lives in a directory and never longer than the process that started it.

    Methods block; call them in a thread from asyncio. Ports, login and cookie are made at the first start and kept.

    Args:
        directory: where configuration, data and logs are kept; made when missing, for its owner only.
        name: the node's short name: small letters, digits and dashes.
        server: RabbitMQ's start script.
        door: where other machines reach it; None: they do not.
    """

    def __init__(
        self, directory: Path, *, name: str = "congvan", server: Path = SERVER, door: NodeDoor | None = None
    ) -> None:
        self._door = door
        self._directory = directory.absolute()
        self._name = name
        self._server = server
        self._keeper: subprocess.Popen[bytes] | None = None
        self._address: NodeAddress | None = None

    @property
    def running(self) -> bool:
        """Whether the node's process is there."""
        return self._keeper is not None and self._keeper.poll() is None

    @property
    def log_dir(self) -> Path:
        """The broker's own logs: ``broker.log``, and ``start.log`` for what it said before it could log."""
        return self._directory / "log"

    def start(self, timeout: float = 60.0) -> NodeAddress:
        """Start the node and wait until it takes connections; nothing happens when it runs already.

        Args:
            timeout: seconds for the whole start (about 5 on an idle machine).

        Raises:
            NodeMissingError: RabbitMQ is not installed.
            NodeError: another process runs this directory's node, or the broker ended or was not ready in time.
        """
        if self.running and self._address is not None:
            return self._address
        self.kill()  # what is left of one that ended by itself
        began = time.monotonic()
        epmd = self._required_programs()
        lock = self._lock(began + timeout)
        try:
            address = self._address = self._bring_up(epmd, lock, began + timeout)
        finally:
            os.close(lock)
        log.info(Event.NODE_STARTED, amqp_url=address.amqp_url, seconds=round(time.monotonic() - began, 2))
        return address

    def stop(self, timeout: float = 20.0) -> None:
        """Stop in good order; what still runs after ``timeout`` seconds is killed."""
        if self._keeper is None:
            return
        self._keeper.send_signal(signal.SIGTERM)
        try:
            self._keeper.wait(timeout)
        except subprocess.TimeoutExpired:
            log.warning(Event.NODE_KILLED, directory=str(self._directory), after_seconds=timeout)
        self.kill()

    def kill(self) -> None:
        """SIGKILL for the broker and its epmd, as when the machine loses power; returns when they are gone."""
        if self._keeper is None:
            return
        if self._keeper.stdin is not None:
            self._keeper.stdin.close()  # the keeper takes the end of its input for our death
        self._keeper.wait()
        self._keeper = None

    def wipe(self) -> None:
        """Delete all that the broker has stored; ports and login stay.

        Raises:
            NodeError: the node runs.
        """
        os.close(self._lock(time.monotonic()))
        shutil.rmtree(self._directory / "data", ignore_errors=True)

    def __enter__(self) -> NodeAddress:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def _required_programs(self) -> str:
        if not self._server.is_file():
            raise NodeMissingError(str(self._server))
        epmd = shutil.which("epmd") or shutil.which("epmd", path="/usr/bin:/usr/lib/erlang/bin")
        if epmd is None:
            raise NodeMissingError("Erlang's epmd")
        return epmd

    def _bring_up(self, epmd: str, lock: int, deadline: float) -> NodeAddress:
        """Start on the stored ports, and once more on others when somebody took one of them meanwhile."""
        self._require_handles()
        for is_last in (False, True):
            identity = self._prepare()
            self._keeper = self._launch(epmd, identity, lock)
            try:
                self._await_ready(self._keeper, identity, deadline)
            except NodeError:
                if is_last or all(map(config.is_free, identity.ports)):
                    raise
            else:
                break
        return _address(identity)

    def _require_handles(self) -> None:
        """Refuse what would start and then take no connection."""
        queues = sum(1 for _ in (self._directory / "data").glob("*/quorum/*/*/"))
        if queues > queues_that_fit(file_handles()):
            raise NodeError(
                f"the {queues} queues in {self._directory} need {handles_for(queues)} file handles, and this process "
                f"may have {file_handles()}: with so few RabbitMQ takes no connection. Raise the hard limit: "
                "`ulimit -Hn`, or LimitNOFILE= of the service"
            )

    def _lock(self, deadline: float) -> int:
        """The directory's lock as a file descriptor; the keeper inherits it, so it is held until the node is gone."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._directory / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(_LOOK_EVERY)
                    continue
                os.close(lock)
                raise NodeError(f"a node runs in {self._directory}; stop it first, or use another directory") from None
            return lock

    def _prepare(self) -> config.NodeIdentity:
        identity = self._settled_identity()
        for part in ("conf/conf.d", "data", "log", "home"):
            (self._directory / part).mkdir(mode=0o700, parents=True, exist_ok=True)
        conf = self._directory / "conf"
        config.write_private(conf / "rabbitmq.conf", config.render_conf(identity, self.log_dir, self._door))
        config.write_private(conf / "advanced.config", config.render_advanced(self._door))
        config.write_private(conf / "enabled_plugins", "[rabbitmq_management].\n")
        config.write_private(self._directory / "home" / ".erlang.cookie", identity.cookie, mode=0o400)
        return identity

    def _settled_identity(self) -> config.NodeIdentity:
        file = self._directory / "node.json"
        stored = config.load_identity(file)
        if stored is not None and all(map(config.is_free, stored.ports)):
            return stored
        if stored is None:
            identity = config.new_identity()
        else:
            identity = config.new_identity(password=stored.password, cookie=stored.cookie)
            log.warning(Event.NODE_PORTS_TAKEN, directory=str(self._directory), before=stored.ports, now=identity.ports)
        config.store_identity(file, identity)
        return identity

    def _launch(self, epmd: str, identity: config.NodeIdentity, lock: int) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-I", "-S", str(_KEEPER), epmd, str(identity.epmd_port), str(self._server)]
        command.append(str(file_handles()))
        with open(self.log_dir / "start.log", "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as output:
            return subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self._directory,
                env=config.environment(self._directory, self._name, identity),
                start_new_session=True,  # a Ctrl-C at the terminal is the parent's to handle
                pass_fds=(lock,),
            )

    def _await_ready(self, keeper: "subprocess.Popen[bytes]", identity: config.NodeIdentity, deadline: float) -> None:
        while not is_ready(identity):
            if keeper.poll() is None and time.monotonic() < deadline:
                time.sleep(_LOOK_EVERY)
                continue
            what = "is not ready in time" if keeper.poll() is None else f"ended with status {keeper.returncode}"
            self.kill()
            raise NodeError(f"the broker {what}; the end of its logs in {self.log_dir}:\n{self._last_words()}")

    def _last_words(self) -> str:
        lines: list[str] = []
        for file in (self.log_dir / "broker.log", self.log_dir / "start.log"):
            if file.exists():
                lines += file.read_text("utf-8", errors="replace").splitlines()[-_REPORTED_LINES:]
        return "\n".join(lines)


def _address(identity: config.NodeIdentity) -> NodeAddress:
    return NodeAddress(
        amqp_url=f"amqp://{config.LOOPBACK}:{identity.amqp_port}/{config.VHOST}",
        management_url=f"http://{config.LOOPBACK}:{identity.management_port}",
        user=config.USER,
        password=identity.password,
        file_handles=file_handles(),
    )


def file_handles() -> int:
    """How many files a node started here may have open: what the kernel lets this process raise its limit to.

    Not more, because Erlang makes its tables for as many as it may open.
    """
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return _MOST_HANDLES if hard == resource.RLIM_INFINITY else min(hard, _MOST_HANDLES)
