"""A broker for tests: one node per session, one vhost per test."""

import base64
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit
from uuid import uuid4

from router.broker.node import NodeAddress, PrivateNode

_VHOST_GONE_WITHIN = 60.0


class PatientNode(PrivateNode):
    """A private node that may start as slowly as a machine full of tests lets it."""

    def start(self, timeout: float = 600.0) -> NodeAddress:
        """As the node's own."""
        return super().start(timeout)


@dataclass(frozen=True, slots=True)
class Vhost:
    """A vhost of a test's own and the login of its administrator."""

    name: str
    amqp_url: str
    management_url: str
    user: str
    password: str

    @property
    def login_url(self) -> str:
        """The AMQP URL with the administrator's login inside."""
        return self.amqp_url.replace("://", f"://{quote(self.user)}:{quote(self.password)}@", 1)


@contextmanager
def shared_node(directory: Path) -> Iterator[NodeAddress]:
    """The broker that CONGVAN_AMQP_URL and CONGVAN_MANAGEMENT_URL name, or a private node in a directory."""
    amqp_url, management_url = os.environ.get("CONGVAN_AMQP_URL"), os.environ.get("CONGVAN_MANAGEMENT_URL")
    if amqp_url and management_url:
        yield _given(amqp_url, management_url)
        return
    node = PatientNode(directory, name="congvan-tests")
    try:
        yield node.start()
    finally:
        node.kill()


@contextmanager
def fresh_vhost(node: NodeAddress) -> Iterator[Vhost]:
    """A vhost that is there for the length of one test."""
    name = f"test-{uuid4().hex[:12]}"
    call(node, "PUT", f"vhosts/{name}", b"{}")
    grant = b'{"configure": ".*", "write": ".*", "read": ".*"}'
    call(node, "PUT", f"permissions/{name}/{quote(node.user, safe='')}", grant)
    try:
        yield Vhost(
            name=name,
            amqp_url=f"{node.amqp_url.rpartition('/')[0]}/{name}",
            management_url=node.management_url,
            user=node.user,
            password=node.password,
        )
    finally:
        users = [item["user"] for item in json.loads(call(node, "GET", f"vhosts/{name}/permissions"))]
        delete_vhost(node, name)
        made = {"users": [user for user in users if user != node.user]}
        call(node, "POST", "users/bulk-delete", json.dumps(made).encode())


@contextmanager
def empty_vhost(node: PrivateNode) -> Iterator[Vhost]:
    """An empty vhost on a node that may be killed meanwhile: a new one if it runs, else its own, it being wiped."""
    if node.running:
        with fresh_vhost(node.start()) as vhost:
            yield vhost
        return
    node.wipe()
    address = node.start()
    name = address.amqp_url.rpartition("/")[2]
    yield Vhost(name, address.amqp_url, address.management_url, address.user, address.password)


def call(node: NodeAddress | Vhost, method: str, path: str, body: bytes | None = None) -> bytes:
    """One request to the management API, independent of the code under test."""
    login = base64.b64encode(f"{node.user}:{node.password}".encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{node.management_url}/api/{path}", body, headers, method=method)  # noqa: S310 - http, ours
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - as above
            content: bytes = answer.read()
    except urllib.error.HTTPError as error:
        error.add_note(f"{method} {path}: {error.read().decode(errors='replace')}")
        raise
    return content


def delete_vhost(node: NodeAddress | Vhost, name: str) -> None:
    """Delete a vhost as an operator would: asked again where RabbitMQ answers 500, as it did once when busy."""
    deadline = time.monotonic() + _VHOST_GONE_WITHIN
    while True:
        try:
            call(node, "DELETE", f"vhosts/{name}")
        except urllib.error.HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                return
            if error.code != HTTPStatus.INTERNAL_SERVER_ERROR or time.monotonic() > deadline:
                raise
        else:
            return


def _given(amqp_url: str, management_url: str) -> NodeAddress:
    parts = urlsplit(amqp_url)
    user = os.environ.get("CONGVAN_AMQP_USER") or unquote(parts.username or "guest")
    password = os.environ.get("CONGVAN_AMQP_PASSWORD") or unquote(parts.password or "guest")
    bare = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path or '/'}"
    return NodeAddress(bare, management_url.rstrip("/"), user, password)
