"""What messages are made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from voiceserver.engine.images import Image
from voiceserver.engine.tools import ToolCall

NoiseReduction = Literal["near_field", "far_field"]  # where the microphone is: at the mouth, or not


@dataclass(frozen=True)
class ChatMessage:
    """One message of the dialogue as a model reads it: its text, or the user's voice itself.

    Calls and their results (role `tool`) are only told if `calls_tools`.
    """

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    item_id: str = ""  # of the conversation item it comes from
    start_sample: int | None = None  # where a spoken message lies on this engine's input clock
    end_sample: int | None = None
    heard_s: float | None = None  # how much of a spoken reply was heard; None: all of it
    call: ToolCall | None = None  # of the assistant; its text is then empty
    call_id: str = ""  # of the call whose result this is
    images: tuple[Image, ...] = ()  # of the user; only told if `reads_images`

    @property
    def content(self) -> tuple[object, ...]:
        """What tells this message from others: the voice where there is one, else the words."""
        if self.start_sample is not None:
            return self.role, self.item_id, self.start_sample
        return self.role, self.text, self.call, self.call_id, self.images


@dataclass(frozen=True)
class WordTiming:
    """One spoken word: where it stands in the written reply, and when it is heard.

    `char_start:char_end` index the whole reply text; `start_s`/`end_s` count from the reply's first
    sample.
    """

    text: str
    char_start: int
    char_end: int
    start_s: float
    end_s: float


class EndReason(StrEnum):
    COMPLETED = "completed"
    MAX_TOKENS = "max_tokens"
    FAILED = "failed"
