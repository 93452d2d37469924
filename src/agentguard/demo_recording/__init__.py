"""A recording of the demo systems, with its catalog."""
