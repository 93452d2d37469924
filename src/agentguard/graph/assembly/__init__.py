"""Assembly of the graph from partial discovery results."""
