"""The `mini_omni` family: published Mini-Omni checkpoints, as the loop wants them.

It hears the user's voice itself: Whisper's encoder follows each turn while it is spoken, and what
is settled is read into the slot's rows at once. Replies are conditioned on that, transcripts are
made beside it. There is no system prompt in the model's training, so system messages have no
effect, and a reply cannot be told its words.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from voiceserver.config import EngineConfig, TurnTakingName
from voiceserver.engine.family import Heard, Made, Samples, Shape, Task, Work
from voiceserver.engine.listening.forecaster import forecaster_of
from voiceserver.engine.listening.microphones import Microphones
from voiceserver.engine.messages import ChatMessage, NoiseReduction
from voiceserver.engine.mini_omni.answers import Answers
from voiceserver.engine.mini_omni.checkpoint import Checkpoint, load
from voiceserver.engine.mini_omni.columns import Features
from voiceserver.engine.mini_omni.dialogue import Dialogue
from voiceserver.engine.mini_omni.files import CheckpointFiles
from voiceserver.engine.mini_omni.rows import RowReader
from voiceserver.engine.mini_omni.sound import Sound
from voiceserver.engine.mini_omni.steps import Steps
from voiceserver.engine.mini_omni.transcriber import Job, Transcriber
from voiceserver.engine.mini_omni.turns import TurnReader
from voiceserver.engine.mini_omni.utterances import Utterances
from voiceserver.engine.mini_omni.voice import SnacVoice
from voiceserver.nn.whisper.live import LiveEncoder

log = logging.getLogger(__name__)

REPLY_ROOM = 512  # positions kept free for a reply: 43 s of speech; it may take what else is left


@dataclass(frozen=True)
class MiniOmniFiles:
    """Where the weights lie."""

    checkpoint: CheckpointFiles
    vad: Path  # silero, ONNX
    turn_end: Path  # smart-turn, ONNX


@dataclass(frozen=True)
class Pace:
    """How the work is cut: so that those who speak never wait long for those who listen."""

    piece: int  # columns that a row reads in one call
    rows: int  # that read together
    scratch: int  # rows for transcripts
    scratch_piece: int  # columns that one of them reads
    codec_thread: bool  # whether the codec has a core of its own
    urgent_frames: float  # sound ahead that covers a step, a scratch row's piece and the codec
    lead_frames: int = 0  # made before a reply is heard, where steps take about as long as sound

    @classmethod
    def on(cls, device: torch.device, slots: int) -> Pace:
        if device.type == "cpu":
            return cls(32, 1, 1, 4, codec_thread=True, urgent_frames=2.5, lead_frames=2)
        scratch = max(1, slots // 16)
        return cls(64, 32, scratch, 64, codec_thread=False, urgent_frames=1.5)


def listening_threads(device: torch.device) -> int:
    """Threads that share the voice activity of many slots; beside a CPU's model there is one."""
    return 1 if device.type == "cpu" else max(1, min(8, (os.cpu_count() or 1) // 2))


class MiniOmniFamily:
    """Listening, the dialogues, and the replies under way."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        microphones: Microphones,
        slots: int,
        wake: Callable[[], None],
        pace: Pace | None = None,
    ) -> None:
        pace = pace or Pace.on(checkpoint.network.device, slots)
        self.config = checkpoint.network.config
        self._tokenizer = checkpoint.tokenizer
        self._microphones = microphones
        self._seated: set[int] = set()
        self._steps = Steps(
            checkpoint.network, slots, positions=self.config.positions, scratch=pace.scratch
        )
        features = Features()
        encoder = LiveEncoder(checkpoint.whisper, slots + pace.scratch)
        self._utterances = Utterances(encoder, microphones, features)
        pieces = [pace.piece] * (2 * slots) + [pace.scratch_piece] * pace.scratch
        rows = RowReader(self._steps, features, pieces)
        self._rows, self._rows_at_once = rows, pace.rows
        self._turns = TurnReader(self._utterances, rows)
        self._transcriber = Transcriber(
            self._utterances, rows, self._steps, self._tokenizer, slots, pace.scratch
        )
        voice = SnacVoice(checkpoint.snac, slots, early=not pace.lead_frames)
        self._sound = Sound(voice, wake, threaded=pace.codec_thread)
        self._answers = Answers(
            self._turns,
            rows,
            self._steps,
            self._sound,
            self._tokenizer,
            rows_at_once=pace.rows,
            lead_samples=pace.lead_frames * voice.frame_samples,
        )
        self._shape = Shape(
            "mini-omni",
            slots,
            voice.sample_rate_hz,
            voice.frame_samples,
            hears_audio=True,
            gathers=True,
            urgent_frames=pace.urgent_frames,
        )

    @classmethod
    def load(
        cls,
        files: MiniOmniFiles,
        slots: int,
        wake: Callable[[], None],
        device: torch.device,
        turn_taking: TurnTakingName = EngineConfig.turn_taking,
    ) -> MiniOmniFamily:
        """Load everything; on the CPU the model and the codec have a core each."""
        if device.type == "cpu":
            torch.set_num_threads(1)
        threads = listening_threads(device)
        microphones = Microphones(files.vad, files.turn_end, slots, wake, threads)
        microphones.forecaster = forecaster_of(turn_taking, slots)
        return cls(load(files.checkpoint, device), microphones, slots, wake)

    @property
    def shape(self) -> Shape:
        return self._shape

    @property
    def decoding(self) -> bool:
        """Whether the codec's thread has work that will wake the loop."""
        return self._answers.decoding()

    # --- listening --------------------------------------------------------------------------------

    def open(self, slot: int) -> None:
        self._microphones.open(slot, self._shape.voice_rate_hz)
        self._seated.add(slot)
        positions = self.config.positions
        room = min(REPLY_ROOM, positions // 4)
        dialogue = Dialogue(self._encode, positions, room, self._shape.frame_s)
        self._turns.open(slot, dialogue)

    def close(self, slot: int) -> None:
        self.stop(slot)
        self._transcriber.forget(slot)
        self._turns.close(slot)
        self._microphones.close(slot)
        self._seated.discard(slot)

    def hear(self, slot: int, pcm16: bytes) -> None:
        self._microphones.hear(slot, pcm16)

    def reduce_noise(self, slot: int, noise: NoiseReduction | None) -> None:
        self._microphones.reduce_noise(slot, noise)

    def recognise(
        self, slot: int, request_id: int, start_sample: int, end_sample: int, final: bool
    ) -> None:
        self._transcriber.submit(Job(slot, request_id, start_sample, end_sample, final))

    def judge_floor(self, slot: int, request_id: int, start_sample: int, end_sample: int) -> None:
        self._microphones.judge_floor(slot, request_id, start_sample, end_sample)

    def predict_turn_end(
        self, slot: int, request_id: int, start_sample: int, end_sample: int
    ) -> None:
        self._microphones.predict_turn_end(slot, request_id, start_sample, end_sample)

    def turn_began(self, slot: int, start_sample: int, dialogue: tuple[ChatMessage, ...]) -> None:
        self._turns.began(slot, start_sample, dialogue)

    def listen(self) -> list[Heard]:
        return self._microphones.listen() + self._transcriber.collect()

    def played(self, slot: int, samples: Samples, begins_in_s: float) -> None:
        self._microphones.played(slot, samples, begins_in_s)

    def held_back(self, slot: int, silent_s: float) -> None:
        self._microphones.held_back(slot, silent_s)

    def hushed(self, slot: int) -> None:
        self._microphones.hushed(slot)

    def _encode(self, text: str) -> list[int]:
        """Tokens of a text; nothing in it is taken for a control token."""
        ids: list[int] = self._tokenizer.encode(text.replace("<|", "< |")).ids
        return ids

    # --- speaking ---------------------------------------------------------------------------------

    def begin(self, slot: int, task: Task) -> None:
        self.stop(slot)
        self._answers.begin(slot, task)

    def stop(self, slot: int) -> None:
        self._answers.stop(slot)

    def think(self) -> list[Made]:
        """Collect sound, encode a piece, and read a piece for whoever needs it most."""
        made = self._answers.collect()
        try:
            self._utterances.step()
        except Exception as error:
            made += self._deaf(error)
        made += self._answers.hear()
        if self._answers.preparing():
            made += self._answers.read()
        elif not self._read_ahead():
            self._transcriber.hear()
            self._transcriber.read()
        writing = self._answers.writing()
        if writing or not self._answers.speaking():  # else transcripts ride along with the speech
            made += self._answers.step(writing, self._transcriber)
        return made

    def talk(self, slots: Sequence[int]) -> list[Made]:
        made = self._answers.collect()
        still = set(self._answers.speaking())  # collecting may have ended some
        made += self._answers.step([s for s in slots if s in still], self._transcriber)
        return made + self._answers.collect()

    def work(self) -> Work:
        speaking = self._answers.speaking()
        return Work(
            listening=self._microphones.pending() or self._transcriber.answered,
            thinking=self._answers.preparing()
            or bool(self._answers.writing())
            or self._sound.ready()
            or self._utterances.pending()
            or self._transcriber.prepares
            or (self._transcriber.writes and not speaking)  # else it rides along
            or bool(self._ahead()),
            talking=speaking,
        )

    def shut_down(self) -> None:
        self._sound.end()
        self._microphones.end()

    def _deaf(self, error: Exception) -> list[Made]:
        """The encoder has failed: so does whatever waits for it."""
        log.error("the encoder failed", exc_info=error)
        self._utterances.drop_all()
        self._transcriber.fail_hearing()
        return self._answers.fail_hearing(error)

    def _ahead(self) -> list[int]:
        """Rows that can read a piece of a turn being spoken."""
        free = [slot for slot in self._seated if not self._answers.has(slot)]
        return [row for slot in free for row in self._turns.readable_ahead(slot)]

    def _read_ahead(self) -> bool:
        """Read a piece of turns being spoken; False when there is nothing to read."""
        for slot in self._seated:
            if not self._answers.has(slot):
                self._turns.look_ahead(slot)
        rows = self._ahead()[: max(2, self._rows_at_once)]
        if not rows:
            return False
        try:
            self._rows.extend(rows)
        except Exception:
            log.exception("reading ahead failed")
            for row in rows:
                self._turns.look_no_further(row // 2)
        return True
