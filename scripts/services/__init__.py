"""Real servers for tests and development, started without Docker on free loopback ports."""
