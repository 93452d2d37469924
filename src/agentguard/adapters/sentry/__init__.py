"""Reporting of errors, and of nothing else, to Sentry."""
