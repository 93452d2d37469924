"""Simulation of component failures: which components, workflows and runs are affected."""
