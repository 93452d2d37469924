"""What processes share for speed, never for truth: a cache, rate limits, notices. Without it everything is slower, nothing is wrong."""
