"""Sentry: errors, and nothing but errors, told to an intake."""
