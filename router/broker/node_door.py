"""The door of a private node to other machines: by TLS alone, with client certificates where they are asked for."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class NodeDoor:
    """Where other machines reach a private node; its own door and its management stay on the loopback address.

    Attributes:
        host: the address it listens on, ``0.0.0.0`` or ``::`` for all.
        port: its port.
        certificate: what it shows, with its chain, as PEM.
        key: of that certificate, as PEM.
        client_authorities: who has to vouch for clients, as PEM; None: no certificate is asked of them.
    """

    host: str
    port: int
    certificate: Path
    key: Path
    client_authorities: Path | None = None


def listener(door: NodeDoor) -> str:
    """The lines of rabbitmq.conf."""
    host = f"[{door.host}]" if ":" in door.host else door.host
    why = "# Other machines, by TLS alone; its options stand in advanced.config."
    return f"\n{why}\nlisteners.ssl.1 = {host}:{door.port}\n"


def options(door: NodeDoor) -> str:
    """The entry of advanced.config, which knows an option that rabbitmq.conf has no word for.

    With tickets a connection that is made again after a drop costs no certificates (RFC 8446 2.2). Erlang's do not hold
    the client's certificate, so who demands one gets whole handshakes.
    """
    files = [("certfile", door.certificate), ("keyfile", door.key)]
    files += [("cacertfile", door.client_authorities)] if door.client_authorities is not None else []
    named = [f'{{{name}, "{_quoted(path)}"}}' for name, path in files]
    asks = door.client_authorities is not None
    named.append("{verify, verify_peer}, {fail_if_no_peer_cert, true}" if asks else "{session_tickets, stateless}")
    named.append("{versions, ['tlsv1.3', 'tlsv1.2']}")
    return f"{{ssl_options, [{', '.join(named)}]}}"


def _quoted(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace('"', '\\"')
