"""The spool: what the gateway has taken and said, on its own disk, so that nothing depends on the line.

``models`` the tables, ``store`` the file, ``writer`` group commit; the rest is SQL, one file per side: ``taking`` for
what comes in, ``work`` for the courier, ``outbox`` for the reporter, ``sending`` for what the unit
sends, ``recalls``, ``gaps``, ``units``, ``retention``, ``books`` for the unit's registers, ``course`` for reports.
"""

from consumers.spool.store import Spool, open_spool
from consumers.spool.writer import Writer

__all__ = ["Spool", "Writer", "open_spool"]
