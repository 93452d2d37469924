"""Cache, rate limits and notices that processes share through Redis.

While Redis is unavailable, each process continues without it.
"""
