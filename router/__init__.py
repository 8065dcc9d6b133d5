"""The origin: accepts, addresses, relays, records and shows dispatches."""
