"""The rules that the router decides by: pure functions of values, tested without a ledger or a broker."""
