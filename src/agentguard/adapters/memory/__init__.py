"""What processes share, for one process alone: cache, rate limits and notices in its own memory."""
