"""The content pipeline."""
