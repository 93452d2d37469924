"""Spans become components, calls and runs."""
