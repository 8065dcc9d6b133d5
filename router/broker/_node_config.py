"""What a private node is told: its identity (ports, login, cookie), its configuration files and its environment."""

import json
import os
import random
import secrets
import socket
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from router.broker.node_door import NodeDoor, listener, options

LOOPBACK = "127.0.0.1"
VHOST = "congvan"
USER = "router"
_LOWEST_PORT = 10_240
_STANDARD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_CONF = """\
# Written at each start by router.broker.node; changes made here are lost.
# Nothing of this node is reachable from another machine, but by a listener of TLS where one stands at the end.
listeners.tcp.1 = 127.0.0.1:{amqp_port}
distribution.listener.interface = 127.0.0.1
management.tcp.ip = 127.0.0.1
management.tcp.port = {management_port}

# The router's own login; with it in place no guest user is made.
default_vhost = {vhost}
default_user = {user}
default_pass = {password}
default_user_tags.administrator = true

# The management API is there to declare topology, not to watch: no collector, no rates. Totals of queues stay.
management_agent.disable_metrics_collector = true
management.disable_stats = true
management.enable_queue_totals = true
management.rates_mode = none
collect_statistics = none

# Thin lines: bringing up AMQP takes up to 27 s there, too long for 10 s and 5 s; a heartbeat costs 0.15 % of a line.
heartbeat = 30
handshake_timeout = 60000
ssl_handshake_timeout = 60000
tcp_listen_options.send_timeout = 120000
tcp_listen_options.backlog = 1024
# Naming one of these options drops the defaults of all: without nodelay a confirm waits a round trip for the last one's
# acknowledgement.
tcp_listen_options.nodelay = true
tcp_listen_options.exit_on_close = false
tcp_listen_options.linger.on = true
tcp_listen_options.linger.timeout = 0

# Descriptors are at most 4 kB and submissions carry attachments by hash: a larger message is a mistake.
max_message_size = 1048576

# A consumer acks when its commit is done, in milliseconds; 30 min unacked is a fault, and closing its channel the cure.
consumer_timeout = 1800000

# 370 quorum queues share one write-ahead log, replayed at boot and held in memory until it rolls over: 64 MB instead
# of 512. A segment file reserves its index for all its entries, per queue: 1024 instead of 4096 entries.
raft.wal_max_size_bytes = 67108864
raft.segment_max_entries = 1024

# It shares its machine with the router. Below either limit publishers are blocked; the ledger keeps accepting.
vm_memory_high_watermark.relative = 0.4
disk_free_limit.absolute = 256MB

log.dir = {log_dir}
log.file = broker.log
log.file.level = info
log.file.rotation.size = 10485760
log.file.rotation.count = 3
log.console = false
"""

ADVANCED = """\
%% Written at each start by router.broker.node; changes made here are lost.
%% TCP_USER_TIMEOUT: bytes of ours that nobody acknowledges for 20 s end a connection. So a line that dropped keeps what
%% is published meanwhile no longer than that; the heartbeat would take up to 73 s. The list replaces rabbitmq.conf's.
[{rabbit, [{tcp_listen_options, [
    {backlog, 1024},
    {nodelay, true},
    {exit_on_close, false},
    {linger, {true, 0}},
    {send_timeout, 120000},
    {raw, 6, 18, <<20000:32/native>>}
]}]}].
"""
"""What rabbitmq.conf has no words for."""
_ADVANCED_END = "]}]}].\n"


@dataclass(frozen=True, slots=True)
class NodeIdentity:
    """What stays the same over restarts of a node, kept in its directory, readable by its owner only."""

    amqp_port: int
    management_port: int
    distribution_port: int
    epmd_port: int
    password: str
    cookie: str

    @property
    def ports(self) -> tuple[int, ...]:
        """All ports the node listens on."""
        return (self.amqp_port, self.management_port, self.distribution_port, self.epmd_port)


def new_identity(*, password: str = "", cookie: str = "") -> NodeIdentity:
    """An identity with ports that are free now."""
    amqp, management, distribution, epmd = _free_ports(4)
    return NodeIdentity(
        amqp_port=amqp,
        management_port=management,
        distribution_port=distribution,
        epmd_port=epmd,
        password=password or secrets.token_urlsafe(24),
        cookie=cookie or secrets.token_hex(16),
    )


def load_identity(file: Path) -> NodeIdentity | None:
    """The identity stored in a file, or None when there is none yet."""
    try:
        return NodeIdentity(**json.loads(file.read_text("utf-8")))
    except FileNotFoundError:
        return None


def store_identity(file: Path, identity: NodeIdentity) -> None:
    """Write the identity for its owner only."""
    write_private(file, json.dumps(asdict(identity), indent=2) + "\n")


def render_advanced(door: NodeDoor | None) -> str:
    """The node's advanced.config."""
    if door is None:
        return ADVANCED
    return f"{ADVANCED.removesuffix(_ADVANCED_END)}]}}, {options(door)}]}}].\n"


def render_conf(identity: NodeIdentity, log_dir: Path, door: NodeDoor | None = None) -> str:
    """The node's rabbitmq.conf."""
    text = _CONF.format(
        amqp_port=identity.amqp_port,
        management_port=identity.management_port,
        vhost=VHOST,
        user=USER,
        password=identity.password,
        log_dir=log_dir,
    )
    return text + (listener(door) if door else "")


_ELECT = (
    "spawn(fun()->lists:foreach(fun(_)->timer:sleep(1000),catch([ra:trigger_election({N,node()})"
    "||Q<-rabbit_amqqueue:list_by_type(rabbit_quorum_queue),{N,_}<-[amqqueue:get_pid(Q)],"
    "ra_leaderboard:lookup_leader(N)==undefined])end,lists:seq(1,120))end)."
)
"""For two minutes after its start the node makes queues without a leader elect one.

A quorum queue younger than a few seconds when RabbitMQ 3.10 is killed comes back empty and elects nobody, and then
every publish to it blocks its channel (rabbitmq-server issue 10070 shows the state and this cure). There is no space
in it because the start script splits its variable there.
"""

_PRELOAD = "congvan_preload"
"""Names the file that loads RabbitMQ's modules; an atom, because quotes do not get through the start script."""


def environment(directory: Path, name: str, identity: NodeIdentity) -> dict[str, str]:
    """The whole environment of the node.

    Nothing of the caller's comes through but PATH: RabbitMQ honours even unprefixed LOG, CONFIG_FILE and NODENAME.
    What is named here would otherwise be taken from /etc/rabbitmq and /var/lib/rabbitmq.
    """
    conf, data = directory / "conf", directory / "data"
    return {
        "PATH": f"{os.environ.get('PATH', '')}:{_STANDARD_PATH}".lstrip(":"),
        "HOME": str(directory / "home"),
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "ERL_EPMD_PORT": str(identity.epmd_port),
        "ERL_EPMD_ADDRESS": LOOPBACK,
        "RABBITMQ_ALLOW_INPUT": "1",  # the script then execs the virtual machine instead of standing before it
        "RABBITMQ_NODENAME": f"{name}@localhost",
        "RABBITMQ_NODE_PORT": str(identity.amqp_port),
        "RABBITMQ_DIST_PORT": str(identity.distribution_port),
        "RABBITMQ_MNESIA_BASE": str(data),
        "RABBITMQ_LOG_BASE": str(directory / "log"),
        "RABBITMQ_PID_FILE": str(directory / "broker.pid"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(data / "generated"),
        "RABBITMQ_CONFIG_FILE": str(conf / "rabbitmq.conf"),
        "RABBITMQ_CONFIG_FILES": str(conf / "conf.d"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(conf / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(conf / "enabled_plugins"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "ERL_AFLAGS": f"-eval file:eval(os:getenv(atom_to_list({_PRELOAD})))",
        _PRELOAD: str(Path(__file__).with_name("_preload.eval")),
        # epmd is the keeper's child; one started by the virtual machine would daemonise and outlive the node.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": f"-start_epmd false -eval {_ELECT}",
    }


def write_private(file: Path, text: str, *, mode: int = 0o600) -> None:
    """Replace a file whole, readable by its owner only from the first byte on."""
    fresh = file.with_name(f".{file.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as stream:
        stream.write(text)
    fresh.replace(file)


def is_free(port: int) -> bool:
    """Whether a port of the loopback address can be listened on now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _free_ports(count: int) -> list[int]:
    """Free ports below the kernel's ephemeral range.

    A client that keeps trying a closed port of that range may be given the same port as its own and connect to itself,
    and any outgoing connection may take it while the node is down.
    """
    ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    candidates = random.sample(range(_LOWEST_PORT, max(ephemeral, _LOWEST_PORT + 1000)), 1000)
    return list(islice((port for port in candidates if is_free(port)), count))
