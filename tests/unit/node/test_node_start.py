"""The private node's errors and its memory, with scripts in RabbitMQ's place."""

import resource
import shutil
import socket
from pathlib import Path

import pytest

from router.broker import _node_config as config
from router.broker.errors import NodeError, NodeMissingError
from router.broker.node import PrivateNode


def script(directory: Path, text: str) -> Path:
    file = directory / "server"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)
    return file


def test_a_missing_rabbitmq_is_named_with_how_to_install_it(tmp_path: Path) -> None:
    node = PrivateNode(tmp_path, server=tmp_path / "rabbitmq-server")
    with pytest.raises(NodeMissingError, match=r"rabbitmq-server is not there.*apt-get install rabbitmq-server"):
        node.start()


def test_a_missing_epmd_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_args, **_options: None)
    with pytest.raises(NodeMissingError, match="epmd"):
        PrivateNode(tmp_path, server=script(tmp_path, "exit 0")).start()


def test_a_broker_that_ends_is_told_with_its_last_words(tmp_path: Path) -> None:
    node = PrivateNode(tmp_path / "node", server=script(tmp_path, "echo the disk is on fire; exit 3"))
    with pytest.raises(NodeError, match=r"ended with status 3(.|\n)*the disk is on fire"):
        node.start()
    assert not node.running


def test_a_port_that_somebody_takes_during_the_start_is_given_up_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, really_free = tmp_path / "ports", config.is_free

    def tried() -> list[int]:
        return [int(line) for line in told.read_text().split()] if told.exists() else []

    monkeypatch.setattr(config, "is_free", lambda port: port not in tried()[:1] and really_free(port))
    with pytest.raises(NodeError, match="ended with status 3"):
        PrivateNode(tmp_path / "node", server=script(tmp_path, f"echo $RABBITMQ_NODE_PORT >> {told}; exit 3")).start()
    assert len(set(tried())) == 2


def test_a_broker_that_ends_while_its_ports_are_free_is_not_started_again(tmp_path: Path) -> None:
    told = tmp_path / "starts"
    with pytest.raises(NodeError, match="ended with status 3"):
        PrivateNode(tmp_path / "node", server=script(tmp_path, f"echo once >> {told}; exit 3")).start()
    assert told.read_text() == "once\n"


def test_a_broker_that_is_not_ready_in_time_is_killed(tmp_path: Path) -> None:
    node = PrivateNode(tmp_path / "node", server=script(tmp_path, "exec sleep 60"))
    with pytest.raises(NodeError, match="not ready in time"):
        node.start(timeout=0.5)
    assert not node.running


def test_stopping_and_killing_what_does_not_run_does_nothing(tmp_path: Path) -> None:
    node = PrivateNode(tmp_path / "node")
    node.stop()
    node.kill()
    node.wipe()
    assert not node.running


def test_ports_and_password_are_kept(tmp_path: Path) -> None:
    assert PrivateNode(tmp_path)._settled_identity() == PrivateNode(tmp_path)._settled_identity()


def test_when_a_port_is_taken_new_ones_are_chosen_and_the_login_stays(tmp_path: Path) -> None:
    node = PrivateNode(tmp_path)
    before = node._settled_identity()
    with socket.create_server((config.LOOPBACK, before.amqp_port)):
        after = node._settled_identity()
    assert before.amqp_port not in after.ports  # another may be drawn again: it is free
    assert after != before
    assert (after.password, after.cookie) == (before.password, before.cookie)


def test_ports_are_outside_the_range_from_which_the_kernel_gives_client_ports() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split()[0])
    ports = config.new_identity().ports
    assert len(set(ports)) == 4
    assert all(1024 < port < lowest for port in ports)


def test_nothing_of_the_callers_environment_comes_through_but_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LOG", "CONFIG_FILE", "NODENAME", "RABBITMQ_SERVER_START_ARGS", "ERL_FLAGS", "ERL_AFLAGS"):
        monkeypatch.setenv(name, "theirs")
    environment = config.environment(tmp_path, "n", config.new_identity())
    assert "theirs" not in environment.values()
    assert environment["RABBITMQ_NODENAME"] == "n@localhost"


def test_secrets_are_written_for_their_owner_only(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("old")
    file.chmod(0o644)
    config.write_private(file, "new")
    assert file.read_text() == "new"
    assert file.stat().st_mode & 0o777 == 0o600


def test_queues_for_which_there_are_too_few_file_handles_are_told_before_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    queues = tmp_path / "node" / "data" / "n@localhost" / "quorum" / "n@localhost"
    for number in range(500):
        (queues / f"QUEUE{number}").mkdir(parents=True)
    monkeypatch.setattr(resource, "getrlimit", lambda _what: (1024, 1024))
    with pytest.raises(NodeError, match=r"the 500 queues in .* need 1767 file handles.* may have 1024.*LimitNOFILE"):
        PrivateNode(tmp_path / "node", server=script(tmp_path, "exit 0")).start()
