"""Hears every slot: the common microphones, and words by Whisper in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from voiceserver.engine.family import Heard, Transcript
from voiceserver.engine.listening.background import Background, Job
from voiceserver.engine.listening.microphones import Microphones
from voiceserver.engine.nano.recogniser import Recogniser


class Listener(Microphones):
    """Microphones whose speech is recognised."""

    def __init__(
        self, vad: Path, turn_end: Path, recogniser: Path, slots: int, wake: Callable[[], None]
    ) -> None:
        super().__init__(vad, turn_end, slots, wake)
        self._recogniser = Recogniser(recogniser)
        self._words: Background[Heard] = Background("recogniser", wake)

    def close(self, slot: int) -> None:
        super().close(slot)
        self._words.forget(slot)

    def listen(self) -> list[Heard]:
        return super().listen() + self._words.collect()

    def recognise(self, slot: int, request_id: int, begin: int, end: int, *, final: bool) -> None:
        samples = self.read(slot, begin, end)

        def work() -> Heard:
            return Transcript(slot, request_id, self._recogniser.transcribe(samples))

        failed = Transcript(slot, request_id, "", failed=True)
        self._words.submit(Job(slot, work, failed, firm=final))

    def end(self) -> None:
        self._words.end()
        super().end()
