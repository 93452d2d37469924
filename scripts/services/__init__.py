"""The real servers that AgentGuard can use, started without Docker on free loopback ports, for
tests and development.
"""
