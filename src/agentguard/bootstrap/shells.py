"""The shells' modules: named, not imported, since shells stand further out than this."""

from __future__ import annotations

SERVER = "agentguard.web.server"
"""Serves the API."""
WORKER = "agentguard.worker.running"
"""Runs a worker."""
