"""Whisper's encoder: exactly as published, and incrementally while somebody speaks."""

from voiceserver.nn.whisper.config import WhisperConfig
from voiceserver.nn.whisper.encoder import WhisperEncoder
from voiceserver.nn.whisper.live import LiveEncoder
from voiceserver.nn.whisper.weights import load_encoder

__all__ = ["LiveEncoder", "WhisperConfig", "WhisperEncoder", "load_encoder"]
