"""A unit's gateway: takes, fetches, delivers and reports."""
