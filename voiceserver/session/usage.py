"""What a reply has cost."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Usage:
    """Tokens read and written for one reply; an audio token is one frame of the talker."""

    input_tokens: int = 0
    text_tokens: int = 0
    audio_tokens: int = 0
