"""Incidents: opened by people, from simulations or by detection, and followed to their review."""
