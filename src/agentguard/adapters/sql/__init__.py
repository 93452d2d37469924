"""Metadata in a SQL database: SQLite, in WAL mode, or PostgreSQL."""
