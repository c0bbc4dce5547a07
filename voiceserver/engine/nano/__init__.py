"""The embedded model family: Whisper tiny.en listens, SmolLM2 thinks, our own voice speaks."""
