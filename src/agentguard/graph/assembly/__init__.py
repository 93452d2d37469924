"""Partial results become a graph: traces linked, fallbacks found, calls counted."""
