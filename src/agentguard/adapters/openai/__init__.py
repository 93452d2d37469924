"""Asks models behind an API that is compatible with that of OpenAI."""
