"""What thin lines ask of the broker and of its clients is set wherever one is set up, and says why."""

import re
from pathlib import Path

import deploy
from consumers.assembly import CONNECT_WITHIN
from router.broker import Tuning, _node_config
from router.broker.parameters import parameters_of
from router.tls.contexts import ClientContext

FILE = Path(deploy.__file__).parent / "rabbitmq" / "20-thin-lines.conf"
WANTED = {
    "heartbeat": "30",
    "handshake_timeout": "60000",
    "ssl_handshake_timeout": "60000",
    "max_message_size": "1048576",
    "tcp_listen_options.send_timeout": "120000",
    # Naming one of them drops the defaults of the others.
    "tcp_listen_options.nodelay": "true",
    "tcp_listen_options.exit_on_close": "false",
    "tcp_listen_options.linger.on": "true",
    "tcp_listen_options.linger.timeout": "0",
}


def settings_of(text: str) -> dict[str, str]:
    return dict(re.findall(r"^([\w.]+) = (\S+)$", text, re.MULTILINE))


def test_the_file_for_a_broker_of_ones_own_and_the_private_node_say_the_same() -> None:
    private, file = settings_of(_node_config._CONF), settings_of(FILE.read_text("utf-8"))
    assert {name: private[name] for name in WANTED} == WANTED
    assert {name: file[name] for name in WANTED} == WANTED
    assert set(file) - set(WANTED) == {"tcp_listen_options.backlog"}


def options_of(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.startswith("%%"))


def test_both_also_say_the_same_of_what_the_file_has_no_words_for() -> None:
    options = options_of((FILE.parent / "advanced.config").read_text("utf-8"))
    assert options == options_of(_node_config.ADVANCED).strip()
    named = dict(re.findall(r"\{(\w+), (\w+)\}", options)) | {"linger": re.findall(r"linger, (.*)\}", options)[0]}
    told = {name: WANTED.get(f"tcp_listen_options.{name}") for name in ("nodelay", "exit_on_close", "send_timeout")}
    assert {name: named[name] for name in told} == told, "they replace those of rabbitmq.conf"
    assert named["linger"] == "{true, 0}"


def test_each_setting_of_the_file_stands_below_its_reason() -> None:
    blocks = FILE.read_text("utf-8").strip().split("\n\n")
    assert all(block.startswith("# ") for block in blocks)


def test_the_compose_file_gives_the_broker_that_file() -> None:
    compose = (FILE.parents[1] / "compose.yaml").read_text("utf-8")
    for file in (FILE, FILE.parent / "advanced.config"):
        (named,) = re.findall(rf"file: (\S+{file.name})", compose)
        assert (FILE.parents[1] / named).samefile(file)


def test_every_client_connects_as_thin_lines_ask() -> None:
    made = parameters_of("amqp://broker/congvan", name="name", tuning=Tuning(), tls=ClientContext())
    assert (made.heartbeat, made.socket_timeout, made.stack_timeout, made.blocked_connection_timeout) == (
        30,
        30,
        60,
        60,
    )
    assert made.tcp_options == {"TCP_USER_TIMEOUT": 25_000}
    assert Tuning(socket_timeout=CONNECT_WITHIN).socket_timeout < Tuning().socket_timeout, "it asks again sooner"
