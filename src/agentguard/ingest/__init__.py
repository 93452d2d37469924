"""Bytes of any trace format become span tables."""
