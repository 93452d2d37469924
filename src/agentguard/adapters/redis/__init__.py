"""What processes share through Redis: cache, rate limits, notices.

While it is away, work goes on without it.
"""
