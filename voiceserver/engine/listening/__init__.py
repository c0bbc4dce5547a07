"""What hearing has in common in all families: recent audio, voice activity, end of turn."""
