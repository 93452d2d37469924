"""Findings drawn from the graph and the simulations."""
