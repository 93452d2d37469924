"""Coordination between processes.

Ports to a shared cache, rate limits and notices, none of which is a source of truth, and to
leases, which are kept in the database.
"""
