"""Sans-I/O conversation state. No torch, no asyncio, no clock reads: time comes in as an argument."""
