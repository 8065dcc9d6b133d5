"""The spool's group commit: see :mod:`router.storage.group_commit`."""

from consumers.errors import SpoolUnavailableError
from consumers.spool.store import Spool
from router.storage.group_commit import GroupCommit

MAX_CHANGES = 1000
"""Most changes in one transaction. No change waits for more: what comes during a commit is in the next."""


class Writer(GroupCommit):
    """Group commit over one spool; a change fails with SpoolUnavailableError when its disk is full or it is locked."""

    def __init__(self, spool: Spool) -> None:
        super().__init__("spool-writer", spool.writing, max_rows=MAX_CHANGES)

    def meets_all(self, error: Exception) -> bool:
        """Whether the spool takes nothing, whatever the change."""
        return isinstance(error, SpoolUnavailableError)
