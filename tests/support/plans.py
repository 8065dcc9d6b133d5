"""What tests ask of a change of the broker's topology."""

from router.broker.topology import Changes


def made_by(changes: Changes) -> tuple[str, ...]:
    """The queues that it makes anew, by name."""
    return tuple(sorted(queue.name for queue in changes.create.queues))
