"""What each account may do at the broker, as anchored regular expressions.

RabbitMQ searches a permission's expression in a name, so each is written ``^…$``. Access is closed by default: nobody
but the router writes ``org.*``, ``receipts.recorded``, ``dead`` or the default exchange, through which any queue can be
reached by name. What a gateway writes reaches the ledger's queue and no other: ``receipts`` has nobody else's bound to
it, so that the headers CC and BCC, which 3.10 checks no topic permission for, lead nowhere.

Known limits of the broker: any login of the vhost may ask (passive declare) whether a queue exists and how much lies
in it; a gateway may purge what it may read, its own queues; and, as exchange and queue ``intake`` have one name, an
issuer may bind that queue to its own recorded receipts, which then end in ``dead``: the next apply unbinds it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from router.broker.direct_reply import is_direct_reply
from router.broker.topology.values import Permission, TopicPermission
from schemas.accounts import Role, parse_account
from schemas.codes import pattern_regex
from schemas.dispatch import Lane
from schemas.receipt import TYPE_GAP, TYPE_HELLO
from schemas.states import BY_UNIT

INTAKE = "intake"
RECEIPTS = "receipts"
RECORDED = "receipts.recorded"
_NOTHING = "^$"
_LANES = "|".join(Lane)
_SAID_BY_UNITS = "|".join(sorted(BY_UNIT))


@dataclass(frozen=True, slots=True)
class BrokerAccount:
    """A caller as the broker knows it: its login and the hash of its token in RabbitMQ's form."""

    name: str
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Grant:
    """What one account may do."""

    permission: Permission
    topic: TopicPermission


def grant(account: str, roots: Sequence[str]) -> Grant | None:
    """What an account may do; None for an operator, who acts through the web API and has no login here.

    Args:
        account: its name, see :mod:`schemas.accounts`.
        roots: codes of the units at the top, by which the codes of all units begin.
    """
    who = parse_account(account)
    if who.role is Role.GATEWAY:
        return _gateway(account, pattern_regex(who.pattern))
    if who.role is Role.ISSUER:
        return _issuer(account, who.pattern, roots)
    return None


def may_be_answered_at(account: str, queue: str) -> bool:
    """Whether an answer for an account may be sent to a queue.

    The router may write to every queue, so a ``reply_to`` that is not the asker's own would let an upstream system put
    messages where it has no access.
    """
    return is_direct_reply(queue) or re.fullmatch(_own_queues(account), queue) is not None


def may_bind(read: str, routing_key: str) -> bool:
    """Whether a topic permission's ``read`` lets a routing key be bound, as the broker decides it."""
    return re.search(read, routing_key) is not None


def _gateway(account: str, units: str) -> Grant:
    """Read the two queues of each of its units; write receipts that speak for its units."""
    keys = rf"^(([A-Z0-9]+\.)+{units}\.({_SAID_BY_UNITS})|{units}\.({TYPE_GAP}|{TYPE_HELLO}))$"
    return Grant(
        Permission(account, configure=_NOTHING, write=f"^{RECEIPTS}$", read=rf"^unit\.{units}\.({_LANES})$"),
        TopicPermission(account, RECEIPTS, write=keys, read=_NOTHING),
    )


def _issuer(account: str, pattern: str, roots: Sequence[str]) -> Grant:
    """Write submissions; keep queues of its own and bind them to the receipts of what it has issued.

    A receipt's key is ``<issuer>.<unit>.<status>`` and both codes hold dots: ``LCA.#`` would also catch what LCA.02 has
    issued. So an account for a single issuer names the first part of the unit's code, a root: ``LCA.LCA.#``.
    """
    own = _own_queues(account)
    if pattern.endswith(".#"):
        keys = rf"^{re.escape(pattern[:-2])}\..+$"
    else:
        keys = rf"^{re.escape(pattern)}\.({'|'.join(map(re.escape, roots))})\..+$"
    return Grant(
        Permission(account, configure=f"^{own}$", write=f"^({INTAKE}|{own})$", read=f"^({re.escape(RECORDED)}|{own})$"),
        TopicPermission(account, RECORDED, write=_NOTHING, read=keys),
    )


def _own_queues(account: str) -> str:
    """``upstream.<account>.<label>``; without a dot in the label, lest LCA.VP own the queues of LCA.VP.02."""
    return rf"upstream\.{re.escape(account)}\.[a-z0-9_-]+"
