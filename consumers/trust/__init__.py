"""What a gateway believes of the centre, and what it sees for itself."""
