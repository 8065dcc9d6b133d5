"""The unit's line: whether it is up, what it gives, who may use it, and when it was down."""
