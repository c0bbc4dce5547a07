"""Mini-Omni's language model: eight token streams in, eight token streams out at every position."""
