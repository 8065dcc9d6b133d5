"""The sink that hands over nothing: the spool is the inbox, read by ``congvan gateway inbox``."""

from consumers.sinks.base import Document


class NoneSink:
    """Takes every document at once."""

    async def deliver(self, document: Document) -> None:
        """Nothing to do: the document is in the spool already."""

    async def close(self) -> None:
        """Nothing to let go of."""
