"""The way of one delivery: from the spool to the unit's sink."""
