"""Joins settings, adapters and capabilities; the only place that chooses adapters, opens them and closes them."""
