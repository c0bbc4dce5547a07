"""The `nano` family: listener, thinker and voice of every slot, as the loop wants them."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from voiceserver.config import EngineConfig, policy_folder
from voiceserver.engine.family import (
    Ended,
    Heard,
    Made,
    Samples,
    Shape,
    Spoken,
    Task,
    Work,
    Written,
    failed,
)
from voiceserver.engine.listening.forecaster import forecaster_of
from voiceserver.engine.messages import ChatMessage, NoiseReduction
from voiceserver.engine.nano.listener import Listener
from voiceserver.engine.nano.reply import Reply
from voiceserver.engine.thinking.thinker import Thinker

if TYPE_CHECKING:  # imports torch, which load() does beside the listener's loading
    from voiceserver.engine.nano.voice import Voice


log = logging.getLogger(__name__)

DEFAULTS = EngineConfig()


@dataclass(frozen=True)
class NanoFiles:
    """Where the weights lie."""

    thinker: Path | None  # SmolLM2 in GGUF; None: replies come from an endpoint
    listener: Path  # folder of Whisper tiny.en for CTranslate2
    vad: Path  # silero, ONNX
    turn_end: Path  # smart-turn, ONNX
    voice: Path  # folder of our own talker and codec
    converted: Path  # folder that may be written to


class Nano:
    """Three models and the replies under way."""

    def __init__(self, listener: Listener, thinker: Thinker, voice: Voice, slots: int) -> None:
        self._listener = listener
        self._thinker = thinker
        self._voice = voice
        self._shape = Shape(
            name="nano",
            slots=slots,
            voice_rate_hz=voice.sample_rate_hz,
            frame_samples=voice.frame_samples,
            calls_tools=thinker.calls_tools,
            reads_images=thinker.reads_images,
            reads_ahead=thinker.reads_ahead,
            speaks_verbatim=True,
            dialogue_chars=thinker.dialogue_chars,
        )
        self._replies: dict[int, Reply] = {}

    @staticmethod
    def import_networks() -> None:
        """Import torch and what needs it; this takes longer than loading the weights."""
        import voiceserver.engine.nano.thinker
        import voiceserver.engine.nano.voice  # noqa: F401

    @classmethod
    def load(
        cls,
        files: NanoFiles,
        slots: int,
        wake: Callable[[], None],
        config: EngineConfig = DEFAULTS,
    ) -> Nano:
        """Load and warm everything; the listener loads on the other core."""
        with ThreadPoolExecutor(1) as pool:
            listening = pool.submit(
                Listener, files.vad, files.turn_end, files.listener, slots, wake
            )
            import torch

            torch.set_num_threads(1)
            from voiceserver.engine.nano.voice import Voice

            voice = Voice.load(files.voice, slots)
            thinker = _thinker(files, slots, wake, config)
            listener = listening.result()
            listener.forecaster = forecaster_of(config.turn_taking, slots)
            if config.turn_taking == "duplex":
                from voiceserver.nn import judges

                listener.floor = judges.load(judges.FLOOR, policy_folder())
                listener.turn_end = judges.load(judges.TURN_END, policy_folder())
            return cls(listener, thinker, voice, slots)

    @property
    def shape(self) -> Shape:
        return self._shape

    # --- listening --------------------------------------------------------------------------------

    def open(self, slot: int) -> None:
        self._listener.open(slot, self._shape.voice_rate_hz)

    def close(self, slot: int) -> None:
        self.stop(slot)
        self._listener.close(slot)
        self._thinker.forget(slot)

    def hear(self, slot: int, pcm16: bytes) -> None:
        self._listener.hear(slot, pcm16)

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
        """Nothing is read before its transcript is there."""

    def listen(self) -> list[Heard]:
        return self._listener.listen()

    def played(self, slot: int, samples: Samples, begins_in_s: float) -> None:
        self._listener.played(slot, samples, begins_in_s)

    def held_back(self, slot: int, silent_s: float) -> None:
        self._listener.held_back(slot, silent_s)

    def hushed(self, slot: int) -> None:
        self._listener.hushed(slot)

    # --- speaking ---------------------------------------------------------------------------------

    def begin(self, slot: int, task: Task) -> None:
        self.stop(slot)
        if task.verbatim is None:
            self._thinker.begin(slot, task)
        if task.speak:
            self._voice.start(slot)
        self._replies[slot] = Reply.of(task)

    def stop(self, slot: int) -> None:
        reply = self._replies.pop(slot, None)
        if reply is None:
            return
        self._thinker.stop(slot)
        if reply.task.speak:
            self._voice.stop(slot)

    def read_ahead(self, slot: int, dialogue: tuple[ChatMessage, ...]) -> None:
        self._thinker.read_ahead(slot, dialogue)

    def warm(self) -> None:
        self._thinker.warm()

    def think(self) -> list[Made]:
        made: list[Made] = []
        wanting = [(slot, reply) for slot, reply in self._replies.items() if reply.wants_text]
        for slot, reply in wanting:
            if reply.is_verbatim:
                self._write(slot, reply, reply.next_verbatim(), made)
        for thinking in self._thinker.step([s for s, r in wanting if not r.is_verbatim]):
            reply = self._replies[thinking.slot]
            reply.thought, reply.text_ended = thinking, thinking.ended
            self._write(thinking.slot, reply, thinking.text, made)
        return made

    def talk(self, slots: Sequence[int]) -> list[Made]:
        made: list[Made] = []
        for frame in self._voice.step(list(slots)):
            reply = self._replies[frame.slot]
            reply.spoke(frame.words)
            reply.sound_ended = frame.last
            made.append(Spoken(frame.slot, frame.samples, frame.words))
            self._end_if_complete(frame.slot, reply, made)
        return made

    def work(self) -> Work:
        return Work(
            listening=self._listener.pending(),
            thinking=any(self._can_write(slot, reply) for slot, reply in self._replies.items()),
            talking=[
                slot
                for slot, reply in self._replies.items()
                if reply.speaks and not reply.sound_ended and self._voice.ready(slot)
            ],
            cold=self._thinker.cold,
        )

    def _can_write(self, slot: int, reply: Reply) -> bool:
        return reply.wants_text and (reply.is_verbatim or self._thinker.has_more(slot))

    def shut_down(self) -> None:
        self._listener.end()
        self._thinker.shut_down()

    def _write(self, slot: int, reply: Reply, text: str, made: list[Made]) -> None:
        """Book new text, tell the world and the voice, and close what is complete."""
        if text:
            reply.text += text
            thought = reply.thought
            made.append(Written(slot, text, thought.complete if thought else None))
        try:
            if text and reply.task.speak:
                self._voice.write(slot, text)
            if reply.text_ended is not None and reply.speaks:
                self._voice.finish(slot)
        except Exception as error:  # words the voice cannot take cost this reply and no other
            log.exception("the voice refused a text")
            made.append(failed(slot, error))
            self.stop(slot)
            return
        self._end_if_complete(slot, reply, made)

    def _end_if_complete(self, slot: int, reply: Reply, made: list[Made]) -> None:
        ended: Ended | None = reply.ended(slot)
        if ended is not None:
            made.append(ended)
            self.stop(slot)


def _thinker(
    files: NanoFiles, slots: int, wake: Callable[[], None], config: EngineConfig
) -> Thinker:
    """Who writes: an endpoint, the model in a folder, else SmolLM2."""
    if config.thinker is not None:
        from voiceserver.engine.thinking.remote import RemoteThinker

        return RemoteThinker(config.thinker, wake)
    if config.thinker_folder is not None:
        from voiceserver.engine.thinking.checkpoint import CheckpointThinker
        from voiceserver.engine.thinking.checkpoint_model import CheckpointModel

        return CheckpointThinker(CheckpointModel.load(config.thinker_folder, config.device), wake)
    from voiceserver.engine.nano.thinker import SmolThinker

    assert files.thinker is not None, "weights are given where no endpoint is"
    wording = None
    if config.turn_taking == "duplex":
        from voiceserver.nn import judges

        wording = judges.load(judges.WORDING, policy_folder()).asked
    return SmolThinker.load(files.thinker, files.converted, slots, wording)
