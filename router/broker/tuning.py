"""The session's constants in one value: time-outs, heartbeats, pauses between attempts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tuning:
    """How a session behaves; durations in seconds, sizes in bytes. The defaults fit a dial-up line and a LAN alike."""

    heartbeat: int = 30
    """A connection silent for longer (and five seconds) is dead; costs 0.15 % of a 33.6 kbit/s line."""
    tcp_user_timeout: float = 25.0
    """Sent data that the other side's kernel does not acknowledge for so long ends the connection."""
    socket_timeout: float = 30.0
    """For the TCP connection alone."""
    stack_timeout: float = 60.0
    """For TCP, TLS and the AMQP handshake together: ten round trips, up to 27 s on a busy dial-up line."""
    stack_timeout_longest: float = 60.0
    """What the above grows to, doubled by each attempt that took all of it: for a broker on a LAN that is busy, as one
    with thousands of queues is when it starts. On a line, where an answer may be lost, it does not grow."""
    answer_timeout: float = 30.0
    """A connection on which a channel does not answer for so long is made anew: a channel of RabbitMQ can hang."""
    blocked_timeout: float = 60.0
    """A connection blocked for longer is made anew: a new one consumes again until it publishes."""
    pause_first: float = 0.2
    """The shortest pause before anything is tried again."""
    pause_longest: float = 15.0
    """The longest pause before a connection, a channel or a missing queue is tried again."""
    handler_pause_first: float = 1.0
    """The shortest pause after a handler failed."""
    handler_pause_longest: float = 30.0
    """The longest pause after a handler failed."""
    unacked_bytes: int = 128 * 1024**2
    """What a consumer may have from all its queues without an acknowledgement, in memory here and held there."""
    receive_bytes: int = 65536
    """Read from the socket at once; pika's own 4096 costs one system call for two messages."""
