"""The console: pages for people, made on the server over the same parts as the web API."""
