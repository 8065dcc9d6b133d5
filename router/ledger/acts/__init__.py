"""What people do beside units and dispatches: care of what is stuck, tokens; each act is in the audit log."""
