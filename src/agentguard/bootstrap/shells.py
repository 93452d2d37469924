"""Names of the shells' modules, which this ring must not import."""

from __future__ import annotations

SERVER = "agentguard.web.server"
"""Serves the API."""
WORKER = "agentguard.worker.running"
"""Runs a worker."""
