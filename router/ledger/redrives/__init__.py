"""Redrives: durable jobs that have stuck deliveries sent again, step by step, until one fails."""
