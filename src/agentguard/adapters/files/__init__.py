"""Spans in files: a log before the answer, Parquet afterwards."""
