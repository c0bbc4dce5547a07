"""Measurements behind `voiceserver bench`."""
