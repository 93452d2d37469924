"""How processes work beside each other.

A cache, rate limits and notices, shared for speed and never for truth; leases, in the database.
"""
