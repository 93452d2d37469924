"""How AgentGuard calls the outside."""
