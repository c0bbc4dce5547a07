"""Audio as the wire wants it, and WAV files of exactly that kind, by the standard library alone."""

from __future__ import annotations

import wave
from pathlib import Path

RATE_HZ = 24_000
SAMPLE_BYTES = 2  # int16


def duration_s(pcm16: bytes | bytearray) -> float:
    return len(pcm16) / (RATE_HZ * SAMPLE_BYTES)


def silence(seconds: float) -> bytes:
    return bytes(round(seconds * RATE_HZ) * SAMPLE_BYTES)


def read_wav(path: str | Path) -> bytes:
    """The samples of a mono 16-bit 24 kHz WAV file; another format is a ValueError that says so."""
    with wave.open(str(path), "rb") as file:
        kind = (file.getnchannels(), file.getsampwidth(), file.getframerate())
        if kind != (1, SAMPLE_BYTES, RATE_HZ):
            raise ValueError(
                f"{path} has {kind[0]} channels, {8 * kind[1]} bits, {kind[2]} Hz; "
                f"mono, 16 bits, {RATE_HZ} Hz is needed"
            )
        return file.readframes(file.getnframes())


def write_wav(path: str | Path, pcm16: bytes) -> None:
    """A mono 16-bit 24 kHz WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(SAMPLE_BYTES)
        file.setframerate(RATE_HZ)
        file.writeframes(pcm16)
