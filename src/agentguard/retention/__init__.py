"""Retention: how long kept data stays, what it occupies, and its deletion."""
