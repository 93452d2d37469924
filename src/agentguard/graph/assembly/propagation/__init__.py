"""Calls between services whose sides are in separate traces: found, explained and joined."""
