"""Stored simulations: kept with their inputs, repeated, listed and compared."""
