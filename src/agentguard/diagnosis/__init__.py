"""Checks of everything that AgentGuard stands on."""
