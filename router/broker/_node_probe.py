"""Whether a private node is ready: it speaks AMQP, and its management API knows our login."""

import base64
import http.client
import socket

from router.broker._node_config import LOOPBACK, USER, VHOST, NodeIdentity


def is_ready(identity: NodeIdentity) -> bool:
    """Whether connections and changes of the topology would succeed now."""
    return _speaks_amqp(identity) and _answers_http(identity)


def _speaks_amqp(identity: NodeIdentity) -> bool:
    try:
        with socket.create_connection((LOOPBACK, identity.amqp_port), timeout=1) as probe:
            probe.sendall(b"AMQP\x00\x00\x09\x01")
            return probe.recv(1) == b"\x01"  # a method frame: Connection.Start
    except OSError:
        return False


def _answers_http(identity: NodeIdentity) -> bool:
    login = base64.b64encode(f"{USER}:{identity.password}".encode()).decode()
    connection = http.client.HTTPConnection(LOOPBACK, identity.management_port, timeout=5)
    try:
        connection.request("GET", f"/api/vhosts/{VHOST}", headers={"Authorization": f"Basic {login}"})
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
