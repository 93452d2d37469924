"""Routes: one module per group of paths, which only translate."""
