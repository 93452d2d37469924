"""Process pools, asyncio and array helpers that stages share."""
