"""Two small multi-agent systems whose telemetry shows what AgentGuard does.

An e-commerce shop and a content pipeline.
"""
