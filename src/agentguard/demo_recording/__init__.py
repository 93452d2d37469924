"""A recording of the demo systems, with the catalogue that belongs to it."""
