"""What can be wrong between us and a broker.

::

    BrokerError
    ├── BrokerUnavailableError    no usable connection within the time given, or the session is closed
    ├── ChannelClosedError        the broker closed a channel, or the connection below it went
    ├── EncodingError             a message that AMQP cannot carry: the caller's mistake, also a ValueError
    ├── ManagementError           the management API answered with an error
    │   ├── ManagementUnreachableError  it did not answer at all
    │   └── ManagementForbiddenError    it does not know the login, or the login is no administrator
    └── NodeError                 the private node cannot be started, or not now
        └── NodeMissingError      RabbitMQ or Erlang is not installed
"""


class BrokerError(Exception):
    """Base of the errors of this package."""


class BrokerUnavailableError(BrokerError):
    """There is no usable connection to the broker; try again later, nothing was sent.

    Args:
        message: why.
        hint: what to do, where that is known.
    """

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class ChannelClosedError(BrokerError):
    """A channel is closed; the text is the broker's reason, or the reason why the connection went."""


class EncodingError(BrokerError, ValueError):
    """A message that AMQP 0-9-1 cannot carry: a name over 255 bytes, a header that is neither text nor whole number."""


class ManagementError(BrokerError):
    """The management API answered a request with an error; the text is the request and the broker's reason."""


class ManagementUnreachableError(ManagementError):
    """The management API did not answer; see CONGVAN_MANAGEMENT_URL. ``hint`` says what to do, where that is known."""

    hint = ""


class ManagementForbiddenError(ManagementError):
    """The management API does not know the login, or the login lacks the tag ``administrator``."""


class NodeError(BrokerError):
    """The private node cannot do what is asked: it did not start, or it runs already, or it runs still."""


class NodeMissingError(NodeError):
    """RabbitMQ or a part of Erlang is not installed on this machine."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what} is not there; install RabbitMQ: apt-get install rabbitmq-server")
