"""Samples in, samples or numbers out: resampling, G.711, voice activity, pronunciation."""
