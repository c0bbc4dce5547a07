"""asyncio side: sockets and protocols. Knows the engine only by its messages; no torch here."""
