"""Process pools, asyncio helpers and array helpers shared by the stages."""
