"""The broker: the only place that knows RabbitMQ and pika.

The names below are loaded at their first use, because pika alone takes 90 ms and most commands never need it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from router.broker.consumer import Consumer
    from router.broker.dead import dead_letter
    from router.broker.errors import BrokerError, BrokerUnavailableError, EncodingError
    from router.broker.message import Delivered, Handler, Outgoing, PublishOutcome, Template
    from router.broker.publisher import Publisher
    from router.broker.session import Session, SessionState
    from router.broker.tuning import Tuning
    from router.broker.wire import is_short

__all__ = [
    "BrokerError",
    "BrokerUnavailableError",
    "Consumer",
    "Delivered",
    "EncodingError",
    "Handler",
    "Outgoing",
    "PublishOutcome",
    "Publisher",
    "Session",
    "SessionState",
    "Template",
    "Tuning",
    "dead_letter",
    "is_short",
]
_HOMES = {
    "consumer": ("Consumer",),
    "dead": ("dead_letter",),
    "errors": ("BrokerError", "BrokerUnavailableError", "EncodingError"),
    "message": ("Delivered", "Handler", "PublishOutcome", "Outgoing", "Template"),
    "publisher": ("Publisher",),
    "session": ("Session", "SessionState"),
    "tuning": ("Tuning",),
    "wire": ("is_short",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
