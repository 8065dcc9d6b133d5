"""What people read: filters, words, verdicts and journeys, the same for console, commands and web API."""
