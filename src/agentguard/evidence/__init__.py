"""Evidence: the spans behind a claim."""
