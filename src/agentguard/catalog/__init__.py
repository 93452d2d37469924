"""The catalog of declared components, and its comparison with the observed graph."""
