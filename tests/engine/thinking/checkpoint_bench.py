"""Thinkers from Hugging Face folders, asked and waited for."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from voiceserver.engine.family import Task
from voiceserver.engine.messages import ChatMessage
from voiceserver.engine.thinking.checkpoint import CheckpointThinker
from voiceserver.engine.thinking.checkpoint_model import CheckpointModel
from voiceserver.engine.thinking.thinker import Thinking

PATIENCE_S = 60.0


class Bench:
    """A thinker and the bell it rings."""

    def __init__(self, folder: Path) -> None:
        self._rung = threading.Event()
        self.model = CheckpointModel.load(folder, "cpu")
        self.thinker = CheckpointThinker(self.model, self._rung.set)

    def finish(self, *slots: int) -> dict[int, tuple[str, Thinking]]:
        """Take these slots' replies to their ends."""
        texts = dict.fromkeys(slots, "")
        ends: dict[int, Thinking] = {}
        while len(ends) < len(slots):
            while not any(self.thinker.has_more(slot) for slot in slots):
                assert self._rung.wait(PATIENCE_S), "nothing came"
                self._rung.clear()
            for thinking in self.thinker.step([slot for slot in slots if slot not in ends]):
                texts[thinking.slot] += thinking.text
                if thinking.ended is not None:
                    ends[thinking.slot] = thinking
        return {slot: (texts[slot], ends[slot]) for slot in slots}

    def reply(self, *dialogue: ChatMessage, slot: int = 0, **more: Any) -> tuple[str, Thinking]:
        self.thinker.begin(slot, task(*dialogue, **more))
        return self.finish(slot)[slot]


def task(*dialogue: ChatMessage, max_tokens: int = 24, **more: Any) -> Task:
    options = {"speak": True, "temperature": 0.0, "seed": 3} | more
    return Task(dialogue, max_tokens=max_tokens, **options)


def user(text: str) -> ChatMessage:
    return ChatMessage("user", text)
