"""Span tables at rest and in order: windows, duplicates, partitions by trace."""
