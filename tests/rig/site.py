"""The real product on the TUN rig: broker and router at the hub, gateways at the far ends of lines."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rig import front
from rig.emulator import Change
from rig.namespaces import inside, within
from rig.tun import TunLine, TunRig
from router.broker.node_door import NodeDoor
from schemas.accounts import Role
from schemas.unit import Unit
from support.broker import PatientNode, empty_vhost
from support.certificates import Certificates, certificates
from support.installation import Installation, Program, installation

AMQP_PORT, AMQPS_PORT = 5672, 5671
HTTPS_PORT = 443
HOOK = Path(__file__).parents[2] / "deploy" / "ppp" / "congvan"
_CONF = f"""\
# The lines end at addresses of this namespace; nothing outside of it can reach them.
listeners.tcp.2 = 0.0.0.0:{AMQP_PORT}
# The yardstick that puts a whole document into a message needs more than our 1 MiB.
max_message_size = 134217728
"""


@dataclass(frozen=True, slots=True)
class Tls:
    """The hub's encrypted doors: before the router as nginx, and the broker's own."""

    files: Certificates


@contextlib.contextmanager
def site(
    directory: Path, rig: TunRig, units: Iterable[Unit], hosted: Iterable[str], *, tls: Tls | None = None
) -> Iterator[Installation]:
    """Broker and router, ready, with accounts for the units' gateways; this thread is in the hub's namespace."""
    door = NodeDoor("0.0.0.0", AMQPS_PORT, tls.files.chain, tls.files.key) if tls else None  # noqa: S104 - of a namespace of our own
    node = PatientNode(directory / "node", name="congvan-rig", door=door)
    extra = directory / "node" / "conf" / "conf.d"
    extra.mkdir(parents=True)
    (extra / "90-rig.conf").write_text(_CONF)
    with inside(rig.hub):
        try:
            with empty_vhost(node) as vhost, installation(directory, vhost, units) as made:
                for code in hosted:
                    made.account(Role.GATEWAY, code)
                made.account(Role.ISSUER, "LCA.#")
                made.router(http_host="0.0.0.0", allow_plaintext=True).start()  # noqa: S104 - of a namespace of our own
                made.wait_until_ready()
                with _front(rig, made, tls) if tls else contextlib.nullcontext():
                    yield made
        finally:
            node.kill()


def tls_in(directory: Path, rig: TunRig) -> Tls:
    """Certificates for the hub's addresses, made in a directory."""
    directory.mkdir(parents=True, exist_ok=True)
    return Tls(certificates(directory, [line.hub_address for line in rig.lines]))


def amqp_url(line: TunLine, tls: Tls | None = None) -> str:
    """The broker as the line's unit reaches it."""
    scheme, port = ("amqps", AMQPS_PORT) if tls else ("amqp", AMQP_PORT)
    return f"{scheme}://{line.hub_address}:{port}/congvan"


def origin_port(made: Installation, tls: Tls | None = None) -> int:
    """The hub's port that documents come from."""
    return HTTPS_PORT if tls else made.port


def origin_url(made: Installation, line: TunLine, tls: Tls | None = None) -> str:
    """The router as the line's unit reaches it."""
    return f"{'https' if tls else 'http'}://{line.hub_address}:{origin_port(made, tls)}"


def gateway_at(made: Installation, line: TunLine, code: str, *, tls: Tls | None = None, **settings: object) -> Program:
    """A unit's gateway behind a line, not started yet, with the product's own defaults."""
    given = {
        "amqp_url": amqp_url(line, tls),
        "origin_url": origin_url(made, line, tls),
        "allow_plaintext": tls is None,
        "burst_linger": 2.0,
        "data_dir": made.directory / f"state-{code}" / "gateway",
    }
    given |= {"ca_file": tls.files.authority} if tls else {}
    program = made.gateway(code, name=f"gateway-{code}", **(given | settings))
    program.command = line.within(program.command)
    return program


@contextlib.contextmanager
def _front(rig: TunRig, made: Installation, tls: Tls) -> Iterator[None]:
    """What encrypts before the router."""
    ports = [str(HTTPS_PORT), str(made.port)]
    command = [sys.executable, front.__file__, *ports, str(tls.files.chain), str(tls.files.key)]
    with subprocess.Popen(within(rig.hub, command), stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield
        finally:
            process.kill()


def hook_at(made: Installation, code: str) -> Callable[[Change], None]:
    """What pppd does with a line's changes at the unit: it runs our script by the folder that it lies in."""
    environment = {"PATH": os.environ["PATH"], "CONGVAN_STATE": str(made.directory / f"state-{code}")}

    def hook(change: Change) -> None:
        folder = made.directory / ("ip-up.d" if change.up else "ip-down.d")
        folder.mkdir(exist_ok=True)
        script = folder / "90congvan"
        if not script.exists():
            shutil.copy(HOOK, script)
        subprocess.run([str(script)], env=environment, check=True)

    return hook
