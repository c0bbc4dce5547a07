"""SyncLLM: simulated dialogues with their turn events, and checkpoints with random weights."""
