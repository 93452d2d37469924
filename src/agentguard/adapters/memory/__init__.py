"""Cache, rate limits and notices in the memory of one process."""
