"""Jobs: long work that runs outside a request."""
