"""Two small multi-agent systems whose telemetry shows what AgentGuard does: an e-commerce shop and a content pipeline."""
