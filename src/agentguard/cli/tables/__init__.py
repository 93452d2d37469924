"""Presenters of tables: JSON documents in, Rich renderables out."""
