"""Simulated users for benches without a server: they speak, listen, interrupt, and keep time."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.engine.messages import (
    AudioDelta,
    Cancel,
    ChatMessage,
    FromEngine,
    Recognise,
    Respond,
    TextDelta,
    ToEngine,
    TurnBegan,
    UserAudio,
)
from voiceserver.engine.pacing import Playout

CHUNK_S = 0.16
CHUNK_SAMPLES = round(CHUNK_S * LISTEN_RATE_HZ)
SPEAKS_CHUNKS = 19  # three seconds
TURN_CHUNKS = 56  # nine seconds: the rest of it hears the reply
REPLY_TOKENS = 30  # of text, as two sentences have; random weights would never end it
DIALOGUE_MESSAGES = 16
VOICE_RATE_HZ = 24_000


def murmur(seed: int) -> bytes:
    """A chunk of noise as loud as speech."""
    noise = np.random.default_rng(seed).normal(0, 2000, CHUNK_SAMPLES)
    return noise.astype("<i2").tobytes()


@dataclass
class Talker:
    """One user's endless conversation, which begins at some point of a turn."""

    session_id: str
    offset: float  # share of a turn
    late_frames: int = 0
    gaps_s: float = 0.0  # silence before late frames
    first_audio_ms: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._sound = murmur(hash(self.offset) % 2**32)
        self._dialogue: list[ChatMessage] = []
        self._turn_start: int | None = None
        self._turns = 0
        self._asked_s: float | None = None
        self._text, self._sent_s = "", 0.0
        self._playout = Playout()

    def forget(self) -> None:
        """What was measured so far does not count."""
        self.late_frames, self.gaps_s = 0, 0.0
        self.first_audio_ms.clear()

    def chunk(self, index: int, now_s: float) -> list[ToEngine]:
        """What the engine is told at the beginning of a chunk."""
        place = (index + round(self.offset * TURN_CHUNKS)) % TURN_CHUNKS
        sample = index * CHUNK_SAMPLES
        messages: list[ToEngine] = []
        if place == 0 or (self._turn_start is None and place < SPEAKS_CHUNKS):
            messages += self._begin_turn(sample)
        if place == SPEAKS_CHUNKS and self._turn_start is not None:
            messages += self._ask(sample, now_s)
        return [*messages, UserAudio(self.session_id, self._sound)]

    def take(self, message: FromEngine, now_s: float) -> None:
        """Something of the engine's."""
        match message:
            case TextDelta(epoch=epoch, text=text) if epoch == self._turns:
                self._text += text
            case AudioDelta(epoch=epoch, pcm16=pcm16) if epoch == self._turns and pcm16:
                if self._asked_s is not None:
                    self.first_audio_ms.append((now_s - self._asked_s) * 1000)
                    self._asked_s = None
                elif (gap_s := self._playout.silent_s(now_s)) > 0.0:
                    self.late_frames += 1
                    self.gaps_s += gap_s
                duration_s = len(pcm16) / (2 * VOICE_RATE_HZ)
                self._sent_s += duration_s
                self._playout.add(duration_s, now_s)

    def _begin_turn(self, sample: int) -> list[ToEngine]:
        """Interrupt what is still being said."""
        if self._text:
            item_id = f"a{self._turns}"
            reply = ChatMessage("assistant", self._text, item_id, heard_s=self._sent_s)
            self._dialogue.append(reply)
        del self._dialogue[:-DIALOGUE_MESSAGES]
        self._turn_start = sample
        cancel = Cancel(self.session_id, self._turns)
        self._turns += 1
        return [cancel, TurnBegan(self.session_id, sample, tuple(self._dialogue))]

    def _ask(self, sample: int, now_s: float) -> list[ToEngine]:
        """The turn is over: a reply is wanted, and a transcript."""
        assert self._turn_start is not None
        name = f"u{self._turns}"
        question = ChatMessage("user", "", name, self._turn_start, sample)
        self._dialogue.append(question)
        self._text, self._sent_s, self._playout = "", 0.0, Playout()
        self._asked_s = now_s
        respond = Respond(
            session_id=self.session_id,
            epoch=self._turns,
            response_id=f"{self.session_id}-{self._turns}",
            dialogue=tuple(self._dialogue),
            speak=True,
            max_tokens=REPLY_TOKENS,
            temperature=0.0,
            item_id=f"a{self._turns}",
        )
        recognise = Recognise(self.session_id, self._turns, self._turn_start, sample, final=True)
        return [respond, recognise]
