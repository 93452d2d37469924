"""The validation lab: outages of real processes, held against what the simulation predicts."""
