"""What answers over HTTP: one server for the web API and the console, guarded from its first byte."""
