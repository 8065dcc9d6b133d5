import inspect

import pika
import pytest
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.adapters.utils.io_services_utils import _AsyncTransportBase

from router.broker.link import BrokerLink


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("_adapter_emit_data", ["self", "data"]),
        ("_on_data_available", ["self", "data_in"]),
        ("_process_frame", ["self", "frame_value"]),
        ("_terminate_stream", ["self", "error"]),
        ("_proto_connection_made", ["self", "transport"]),
    ],
)
def test_pika_still_has_the_private_parts_that_the_link_touches(name: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(AsyncioConnection, name)).parameters) == parameters


def test_pika_still_reads_its_socket_in_pieces_of_a_size_that_can_be_set() -> None:
    assert isinstance(_AsyncTransportBase._MAX_RECV_BYTES, int)
    assert "self._MAX_RECV_BYTES" in inspect.getsource(_AsyncTransportBase._consume)
    assert "self._sock = sock" in inspect.getsource(_AsyncTransportBase.__init__)


async def test_the_link_hides_nothing_of_pika_but_what_it_overrides() -> None:
    on_the_class = {name for name in vars(BrokerLink) if not name.startswith(("__", "_abc_"))}
    on_the_instance = {"opened", "lost", "blocked", "on_blocked", "tuning", "_inboxes", "_numbers", "_rest"}
    pikas = set(dir(AsyncioConnection)) | set(vars(AsyncioConnection(internal_connection_workflow=False)))
    assert pikas & (on_the_class | on_the_instance) == {"_on_data_available", "_proto_connection_made"}


def test_pika_is_of_the_release_whose_parts_were_read() -> None:
    assert pika.__version__.startswith("1.4.")
