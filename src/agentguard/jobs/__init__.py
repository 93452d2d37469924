"""Long work, run outside a request."""
