"""Two small multi-agent systems with telemetry: an online shop and a content pipeline."""
