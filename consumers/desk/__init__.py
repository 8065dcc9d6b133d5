"""The desk: pages for a unit's clerk, leaders and staff, over the gateway's spool."""
