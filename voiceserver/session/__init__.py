"""Sans-I/O conversation state. No torch, no asyncio, no clock reads: time is an argument."""
