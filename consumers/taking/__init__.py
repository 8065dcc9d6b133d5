"""Takes custody: what waits in the unit's queues goes into the spool, and is acknowledged then."""
