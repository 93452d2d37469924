"""Storage of span tables: validation, batching, windows, compaction, partitions by trace."""
