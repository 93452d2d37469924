"""Reads what other servers publish, over HTTP."""
