"""Joins settings, adapters and capabilities.

The only place that chooses adapters, opens them and closes them.
"""
