"""Spans become stored graph versions: uploads, files and the live dataset."""
