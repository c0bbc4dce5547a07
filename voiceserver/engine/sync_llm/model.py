"""The `sync_llm` family, as the loop wants it: it speaks always and is asked nothing.

The model hears units and no words: voice activity and transcripts of the user, for those who want
to see them, are made beside it by nano's listener.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from voiceserver.clock import LISTEN_RATE_HZ, Clock
from voiceserver.engine.family import Heard, Made, Samples, Shape, Task, Work
from voiceserver.engine.messages import ChatMessage, NoiseReduction
from voiceserver.engine.mini_omni.device import precision_on
from voiceserver.engine.nano.listener import Listener
from voiceserver.engine.sync_llm.checkpoint import Checkpoint, load
from voiceserver.engine.sync_llm.conversations import Conversations

_SAMPLE_BYTES = 2


@dataclass(frozen=True)
class SyncLlmFiles:
    """Where the weights lie."""

    folder: Path
    vad: Path  # silero, ONNX
    turn_end: Path  # smart-turn, ONNX
    listener: Path  # folder of Whisper tiny.en for CTranslate2


class SyncLlm:
    """Listening and the conversations."""

    def __init__(
        self, checkpoint: Checkpoint, listener: Listener, slots: int, clock: Clock, seed: int
    ) -> None:
        self._listener = listener
        self.conversations = Conversations(checkpoint, listener, slots, clock, seed)
        self._shape = Shape(
            name="sync-llm",
            slots=slots,
            voice_rate_hz=LISTEN_RATE_HZ,
            frame_samples=self.conversations.chunks.samples,
            continuous=True,
        )

    @classmethod
    def load(
        cls,
        files: SyncLlmFiles,
        slots: int,
        wake: Callable[[], None],
        device: torch.device,
        clock: Clock,
        seed: int,
    ) -> SyncLlm:
        """Load everything: int8 products on a CPU, bfloat16 on CUDA."""
        if device.type == "cpu":
            torch.set_num_threads(1)
        dtype, int8 = precision_on(device)
        checkpoint = load(files.folder, device, dtype, int8=int8)
        listener = Listener(files.vad, files.turn_end, files.listener, slots, wake)
        return cls(checkpoint, listener, slots, clock, seed)

    @property
    def shape(self) -> Shape:
        return self._shape

    # --- listening --------------------------------------------------------------------------------

    def open(self, slot: int) -> None:
        self._listener.open(slot, self._shape.voice_rate_hz)
        self.conversations.open(slot)

    def close(self, slot: int) -> None:
        self.conversations.close(slot)
        self._listener.close(slot)

    def hear(self, slot: int, pcm16: bytes) -> None:
        self._listener.hear(slot, pcm16)
        self.conversations.received(slot, len(pcm16) // _SAMPLE_BYTES)

    def reduce_noise(self, slot: int, noise: NoiseReduction | None) -> None:
        self._listener.reduce_noise(slot, noise)

    def recognise(
        self, slot: int, request_id: int, start_sample: int, end_sample: int, final: bool
    ) -> None:
        self._listener.recognise(slot, request_id, start_sample, end_sample, final=final)

    def judge_floor(self, slot: int, request_id: int, start_sample: int, end_sample: int) -> None:
        self._listener.judge_floor(slot, request_id, start_sample, end_sample)

    def predict_turn_end(
        self, slot: int, request_id: int, start_sample: int, end_sample: int
    ) -> None:
        self._listener.predict_turn_end(slot, request_id, start_sample, end_sample)

    def turn_began(self, slot: int, start_sample: int, dialogue: tuple[ChatMessage, ...]) -> None:
        """It hears all the time."""

    def listen(self) -> list[Heard]:
        return self._listener.listen()

    def played(self, slot: int, samples: Samples, begins_in_s: float) -> None:
        self._listener.played(slot, samples, begins_in_s)

    def held_back(self, slot: int, silent_s: float) -> None:
        """Its loudspeaker waits for nobody."""

    def hushed(self, slot: int) -> None:
        """Its loudspeaker never falls silent by somebody's wish."""

    def instruct(self, slot: int, text: str) -> None:
        self.conversations.instruct(slot, text)

    # --- speaking ---------------------------------------------------------------------------------

    def begin(self, slot: int, task: Task) -> None:
        raise AssertionError("a continuous family is not asked to speak")

    def stop(self, slot: int) -> None:
        self.conversations.restart(slot)

    def think(self) -> list[Made]:
        self.conversations.think()
        return []

    def talk(self, slots: Sequence[int]) -> list[Made]:
        return list(self.conversations.talk(slots))

    def work(self) -> Work:
        work = self.conversations.work()
        work.listening = self._listener.pending()
        return work

    def shut_down(self) -> None:
        self._listener.end()
