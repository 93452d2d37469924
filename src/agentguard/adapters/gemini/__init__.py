"""Asks Gemini."""
