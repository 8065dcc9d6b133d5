"""What people do besides acts on units and dispatches: care of what is stuck, tokens; each is in the audit log."""
