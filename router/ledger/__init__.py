"""The ledger: the truth about every dispatch and every delivery, on SQLite or PostgreSQL."""
