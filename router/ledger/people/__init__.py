"""Who may act: accounts, persons, sessions, rights, and the log of what they did."""
