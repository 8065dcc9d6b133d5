"""The real product on the TUN rig: broker and router at the hub, gateways at the far ends of lines."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from rig.emulator import Change
from rig.namespaces import inside
from rig.tun import TunLine, TunRig
from router.broker.node import PrivateNode
from schemas.accounts import Role
from schemas.unit import Unit
from support.broker import empty_vhost
from support.installation import Installation, Program, installation

AMQP_PORT = 5672
HOOK = Path(__file__).parents[2] / "deploy" / "ppp" / "congvan"
_CONF = f"""\
# The lines end at addresses of this namespace; nothing outside of it can reach them.
listeners.tcp.2 = 0.0.0.0:{AMQP_PORT}
# The yardstick that puts a whole document into a message needs more than our 1 MiB.
max_message_size = 134217728
"""


@contextlib.contextmanager
def site(directory: Path, rig: TunRig, units: Iterable[Unit], hosted: Iterable[str]) -> Iterator[Installation]:
    """Broker and router, ready, with accounts for the units' gateways; this thread is in the hub's namespace."""
    node = PrivateNode(directory / "node", name="congvan-rig")
    extra = directory / "node" / "conf" / "conf.d"
    extra.mkdir(parents=True)
    (extra / "90-rig.conf").write_text(_CONF)
    with inside(rig.hub):
        try:
            with empty_vhost(node) as vhost, installation(directory, vhost, units) as made:
                for code in hosted:
                    made.account(Role.GATEWAY, code)
                made.account(Role.ISSUER, "LCA.#")
                made.router(http_host="0.0.0.0").start()  # noqa: S104 - of a namespace of our own
                made.wait_until_ready()
                yield made
        finally:
            node.kill()


def amqp_url(line: TunLine) -> str:
    """The broker as the line's unit reaches it."""
    return f"amqp://{line.hub_address}:{AMQP_PORT}/congvan"


def origin_url(made: Installation, line: TunLine) -> str:
    """The router as the line's unit reaches it."""
    return f"http://{line.hub_address}:{made.port}"


def gateway_at(made: Installation, line: TunLine, code: str, **settings: object) -> Program:
    """A unit's gateway behind a line, not started yet, with the product's own defaults."""
    given = {
        "amqp_url": amqp_url(line),
        "origin_url": origin_url(made, line),
        "allow_plaintext": True,
        "burst_linger": 2.0,
        "data_dir": made.directory / f"state-{code}" / "gateway",
    }
    program = made.gateway(code, name=f"gateway-{code}", **(given | settings))
    program.command = line.within(program.command)
    return program


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
