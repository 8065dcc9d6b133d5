"""What people see of a gateway: what has come, and what is on its way."""
