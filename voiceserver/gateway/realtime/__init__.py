"""The OpenAI Realtime protocol over WebSocket, with the names of its general availability (GA)."""
