"""The validation lab: faults in real processes, held against what the simulation predicts."""
