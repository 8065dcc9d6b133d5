"""The private node as others find it: safe in any environment, alone on the loopback, the same after kill and start."""

import asyncio
import ctypes
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path

import pika
import psutil
import pytest
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import ProbableAuthenticationError

from router.broker.errors import NodeError
from router.broker.management import Management
from router.broker.node import PrivateNode, file_handles
from router.broker.topology import apply, definitions, plan, read
from router.broker.topology.capacity import handles_per_queue
from support.amqp import take
from support.conditions import holds, until
from support.organisation import a_unit
from support.plans import made_by

DAY = date(2026, 11, 22)
PLAN = plan([a_unit("LCA")], [], vhost="congvan", day=DAY)
ROOT = Path(__file__).parents[3]
LIVE_AND_WAIT = """
import sys
from pathlib import Path
from router.broker.node import PrivateNode
with PrivateNode(Path(sys.argv[1])):
    print("it runs", flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateNode]:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("LOG", "CONFIG_FILE", "NODENAME", "RABBITMQ_NODENAME", "RABBITMQ_CONFIG_FILE", "HOME", "LC_ALL"):
            patch.setenv(name, "/nowhere/x")
        made = PrivateNode(tmp_path_factory.mktemp("nút riêng"))
        try:
            made.start()
            yield made
        finally:
            made.kill()


def managed(node: PrivateNode) -> Management:
    address = node.start()
    return Management(address.management_url, address.user, address.password)


@contextmanager
def log_in(node: PrivateNode, user: str = "", password: str = "") -> Iterator[BlockingChannel]:
    """A channel in confirm mode on a connection of its own."""
    address = node.start()
    parameters = pika.URLParameters(address.amqp_url)
    parameters.credentials = pika.PlainCredentials(user or address.user, password or address.password)
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    channel.confirm_delivery()
    yield channel
    connection.close()


def home_of(node: PrivateNode) -> Path:
    return node.log_dir.parent


def processes_in(directory: Path) -> list[psutil.Process]:
    """The keeper, epmd, the virtual machine and its helpers, known by the home they were given."""
    found = []
    for process in psutil.process_iter():
        try:
            alive = process.status() != psutil.STATUS_ZOMBIE
            if alive and process.environ().get("HOME") == str(directory / "home"):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def ctl(node: PrivateNode, *arguments: str) -> str:
    """What rabbitmqctl says, which sees the broker from inside."""
    machine = next(process for process in processes_in(home_of(node)) if "beam" in process.name())
    command = ["/usr/lib/rabbitmq/bin/rabbitmqctl", "--quiet", *arguments]
    env = machine.environ() | {"ERL_AFLAGS": ""}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout


def test_its_modules_are_loaded_at_once(node: PrivateNode) -> None:
    begun = (node.log_dir / "start.log").read_text("utf-8", errors="replace")
    said = re.search(r"^(\d+) modules loaded at once$", begun, re.MULTILINE)
    assert said is not None
    assert int(said[1]) > 500


def test_nothing_keeps_its_stop_waiting(node: PrivateNode) -> None:
    until(lambda: "rabbit_mgmt_db_handler" not in ctl(node, "eval", "gen_event:which_handlers(rabbit_event)."))


def test_it_listens_on_the_loopback_only(node: PrivateNode) -> None:
    listening = {
        item.laddr.ip
        for process in processes_in(home_of(node))
        for item in process.net_connections("tcp")
        if item.status == psutil.CONN_LISTEN
    }
    assert "127.0.0.1" in listening
    assert listening <= {"127.0.0.1", "::1"}


def test_only_its_own_login_is_let_in(node: PrivateNode) -> None:
    with log_in(node) as channel:
        assert channel.is_open
    with pytest.raises(ProbableAuthenticationError), log_in(node, "guest", "guest"):
        pass


def test_only_its_owner_reads_its_secrets(node: PrivateNode) -> None:
    home = home_of(node)
    for secret in (home, home / "node.json", home / "conf" / "rabbitmq.conf", home / "home" / ".erlang.cookie"):
        assert secret.stat().st_mode & 0o077 == 0, secret


async def test_the_broker_goes_by_what_is_configured_and_planned(node: PrivateNode) -> None:
    async with managed(node) as management:
        await apply(management, "congvan", PLAN)
        await management.put("queues", "congvan", "upstream.issuer:LCA.receipts", body={"durable": True})
    # A worker for each of the router's queues shows that at-least-once is in force: RabbitMQ falls back silently.
    asked = """
        {ok, Queue} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"congvan">>, queue, <<"upstream.issuer:LCA.receipts">>)),
        Configured = [application:get_env(rabbit, K, none) || K <- [heartbeat, handshake_timeout, ssl_handshake_timeout,
            max_message_size]],
        {ok, Options} = application:get_env(rabbit, tcp_listen_options),
        Workers = proplists:get_value(active, supervisor:count_children(rabbit_fifo_dlx_sup)),
        {rabbit_policy:effective_definition(Queue), Configured, lists:sort(Options), Workers}.
    """
    answer = ctl(node, "eval", " ".join(asked.split()))
    user_timeout = ",".join(str(byte) for byte in (20_000).to_bytes(4, sys.byteorder))
    options = (
        "[{backlog,1024},{exit_on_close,false},{linger,{true,0}},{nodelay,true},{send_timeout,120000},"
        f"{{raw,6,18,<<{user_timeout}>>}}]"
    )
    assert "".join(answer.split()) == f'{{[{{<<"expires">>,2592000000}}],[30,60000,60000,1048576],{options},2}}'


def test_a_second_node_in_the_same_directory_is_refused(node: PrivateNode) -> None:
    with pytest.raises(NodeError, match="a node runs in"):
        PrivateNode(home_of(node)).start(timeout=0.2)
    assert node.running


def test_it_cannot_be_wiped_while_it_runs(node: PrivateNode) -> None:
    with pytest.raises(NodeError, match="a node runs in"):
        node.wipe()


async def test_killed_right_after_an_apply_it_comes_back_at_its_address_with_all_queues_and_messages(
    node: PrivateNode,
) -> None:
    before = node.start()
    async with managed(node) as management:
        await apply(management, "congvan", PLAN)
        with log_in(node) as channel:
            channel.basic_publish("org.LCA", "LCA.normal", b"kept", mandatory=True)
        node.kill()
        assert not node.running
        assert not processes_in(home_of(node))
        assert node.start() == before
        changes = await apply(management, "congvan", PLAN)
    assert made_by(changes) == ()
    with log_in(node) as channel:
        assert take(channel, "unit.LCA.normal")[1] == b"kept"


async def test_killed_in_the_middle_of_an_apply_its_queues_take_messages_after_the_next(node: PrivateNode) -> None:
    wider = plan([a_unit("LCA"), a_unit("LCA.02")], [], vhost="congvan", day=DAY)
    node.start()
    async with managed(node) as management:
        await management.import_definitions(definitions(replace(wider.shape(), bindings=frozenset())))
        node.kill()
        node.start()
        changes = await apply(management, "congvan", wider)
    assert not changes.conflicts
    with log_in(node) as channel:
        for lane in ("express", "normal"):
            channel.basic_publish("org.LCA", f"LCA.02.{lane}", b"", mandatory=True)


def test_it_may_open_as_many_files_as_its_address_says_whatever_the_shell_allows(tmp_path: Path) -> None:
    program = LIVE_AND_WAIT.replace('print("it runs"', 'print("it runs", node.file_handles').replace("):", ") as node:")
    limited = f"ulimit -S -n 256; exec {sys.executable} -c '{program}' {tmp_path / 'node'}"
    with subprocess.Popen(["bash", "-c", limited], cwd=ROOT, stdin=PIPE, stdout=PIPE, text=True) as parent:
        assert parent.stdout is not None
        told = int(next(line for line in parent.stdout if line.startswith("it runs")).rpartition(" ")[2])
        limits = [process.rlimit(psutil.RLIMIT_NOFILE)[0] for process in processes_in(tmp_path / "node")]
        parent.kill()
    assert told > 1024
    assert told in limits
    assert told == file_handles()


def test_its_queues_reserve_as_many_file_handles_as_is_planned_with(node: PrivateNode) -> None:
    """As RabbitMQ 3.10 itself counts them; it takes no connection any more when all are reserved."""
    before = _reserved(node)
    with log_in(node) as channel:
        for number in range(20):
            channel.queue_declare(f"handles-{number}", durable=True, arguments={"x-queue-type": "quorum"})
        after = _reserved(node)
        for number in range(20):
            channel.queue_delete(f"handles-{number}")
    assert after - before == 20 * handles_per_queue(nodes=1)


def _reserved(node: PrivateNode) -> int:
    """What the node's queues reserve: all that it counts as used, but for its connections."""
    told = ctl(node, "eval", "file_handle_cache:info([total_used, sockets_used]).")
    found = dict(re.findall(r"\{(\w+),(\d+)\}", told))
    return int(found["total_used"]) - int(found["sockets_used"])


async def test_a_killed_keeper_takes_the_node_with_it(node: PrivateNode) -> None:
    keeper = next(process for process in processes_in(home_of(node)) if "_keeper.py" in " ".join(process.cmdline()))
    keeper.kill()
    await holds(lambda: not processes_in(home_of(node)))
    assert not node.running


async def test_a_wiped_node_starts_empty_at_its_address(node: PrivateNode) -> None:
    before = node.start()
    node.stop()
    assert not processes_in(home_of(node))
    node.wipe()
    assert node.start() == before
    async with managed(node) as management:
        assert not (await read(management, "congvan")).items()


async def test_it_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", LIVE_AND_WAIT, str(tmp_path / "node")), cwd=ROOT, stdin=PIPE, stdout=PIPE
    )
    assert parent.stdout is not None
    assert await parent.stdout.readuntil(b"it runs\n")
    assert processes_in(tmp_path / "node")
    parent.kill()
    await parent.communicate()
    await holds(lambda: not processes_in(tmp_path / "node"))


@pytest.fixture
def directory_of_nobody() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as made:  # outside of pytest's own, which is root's alone
        shutil.chown(made, "nobody")
        yield Path(made)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody else")
def test_a_user_without_a_home_can_run_it(directory_of_nobody: Path) -> None:
    python = "/usr/bin/python3"  # ours may lie in a home of root's
    asked = subprocess.run([python, "--version"], capture_output=True, text=True, check=False)
    if asked.stdout.split(".")[:2] != f"Python {sys.version}".split(".")[:2]:
        pytest.skip("there is no Python here that everyone may run and that fits our libraries")
    done = subprocess.run(
        [python, "-c", LIVE_AND_WAIT, str(directory_of_nobody / "node")],
        cwd="/",
        env={"PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}"},
        user="nobody",
        group="nogroup",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "it runs" in done.stdout
    assert not processes_in(directory_of_nobody / "node")


def taken_from(process: psutil.Process, fd: int) -> socket.socket:
    """A copy of a socket that another process holds (pidfd_getfd, Linux 5.6)."""
    pidfd = os.pidfd_open(process.pid)
    copy = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, fd, 0)
    os.close(pidfd)
    assert copy >= 0, os.strerror(ctypes.get_errno())
    return socket.socket(fileno=copy)


def test_a_connection_that_nobody_acknowledges_ends_before_its_heartbeat_is_missed(node: PrivateNode) -> None:
    """So a line that drops locks what is published meanwhile for 20 s, not for 73."""
    with log_in(node) as channel:
        ours = channel.connection._impl._transport._sock.getsockname()
        held = [
            taken_from(process, connection.fd)
            for process in processes_in(home_of(node))
            for connection in process.net_connections("tcp")
            if connection.raddr == ours
        ]
        assert [made.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) for made in held] == [20_000]
        assert [made.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for made in held] == [1]
        for made in held:
            made.close()
