"""Names of direct reply-to as the broker makes them: ``amq.rabbitmq.reply-to.<process id>.<key>``, both in base64.

Publishing to a name of this kind that the broker did not make crashes its channel process and closes the connection
that asked for it with 541 (measured on 3.10.8). So a name from outside is looked at before anything is sent there.
"""

import re
from base64 import b64decode

PREFIX = "amq.rabbitmq.reply-to."
_FORM = re.compile(r"([A-Za-z0-9+/]{20,200}={0,2})\.([A-Za-z0-9+/]{16,64}={0,2})")
_NODE = re.compile(rb"reply@[0-9]{1,20}")
_ATOMS = {ord("w"): 1, ord("s"): 1, ord("v"): 2, ord("d"): 2}
"""Tags of an atom in Erlang's external term format, and how many bytes give its length."""
_AFTER_NODE = {ord("X"): 12, ord("g"): 9}
"""Tags of a process id, and the bytes after its node's name."""
_VERSION = 131


def is_direct_reply(name: str) -> bool:
    """Whether a queue's name is one that the broker may have made for a direct reply."""
    parts = _FORM.fullmatch(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else None
    if parts is None:
        return False
    try:
        return _is_process_id(b64decode(parts[1], validate=True))
    except (ValueError, IndexError):
        return False


def _is_process_id(term: bytes) -> bool:
    rest = _AFTER_NODE.get(term[1])
    width = _ATOMS.get(term[2])
    if term[0] != _VERSION or rest is None or width is None:
        return False
    size = int.from_bytes(term[3 : 3 + width], "big")
    node = term[3 + width : 3 + width + size]
    return _NODE.fullmatch(node) is not None and len(term) == 3 + width + size + rest
