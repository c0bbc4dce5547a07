"""One reply under way: the columns the model makes of it, the text and the frames in them.

The streams are delayed against each other: layer j of frame f stands in step f + j + 1, so a frame
is whole seven steps after its text. A spoken reply ends with eoa on the last layer, a written one
with eot; the first step is not looked at for either, as in the published code. A model that does
not stop is stopped, by text, by sound, and by its row's positions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from voiceserver.engine.family import Ended, Samples, Task
from voiceserver.engine.messages import EndReason
from voiceserver.engine.mini_omni.dialogue import FILL_STEPS, Made
from voiceserver.engine.mini_omni.words import SpeakingRate, Words
from voiceserver.engine.text import TextStream
from voiceserver.nn.mini_omni.vocabulary import (
    AUDIO_STREAMS,
    CODES,
    EOA,
    EOT,
    PAD_T,
    TEXT_STREAM,
)

LAST_LAYER = AUDIO_STREAMS - 1
# Sound that a text may have: English has about three frames a token. Beyond twice that the model
# has lost its way and is stopped.
FRAMES_PER_TOKEN = 6
FRAMES_AT_LEAST = 36  # three seconds

Frame = NDArray[np.int64]  # the codes of one frame by layer: [7]


class Phase(Enum):
    """What a reply waits for."""

    HEARING = auto()  # the user's voice, to be read
    READING = auto()  # the rows, to have read what comes before it
    MAKING = auto()  # the next step
    SOUNDING = auto()  # the codec, for the last of its sound


@dataclass(frozen=True)
class Taken:
    """What a step brought."""

    text: str = ""
    frame: Frame | None = None


@dataclass
class Reply:
    """The books of one reply."""

    task: Task
    tokenizer: Tokenizer
    rate: SpeakingRate
    phase: Phase = Phase.HEARING
    prompt_tokens: int = 0
    ended: EndReason | None = None  # no more steps are made
    text_over: bool = False
    frames: int = 0
    concealed_frames: int = 0
    undecoded: int = 0  # frames that the codec has not returned
    steps: list[NDArray[np.int64]] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    text_ends: list[int] = field(default_factory=list)
    text: str = ""

    def __post_init__(self) -> None:
        self._stream = TextStream(self.tokenizer)
        self.words = Words(self.rate)
        self._held: list[Samples] | None = []  # sound not let out yet; None: it has begun

    def let_out(self, samples: Samples, lead_samples: int, last: bool) -> Samples:
        """More sound; what of it may be heard now, as nothing is before there is enough."""
        if self._held is None:
            return samples
        self._held.append(samples)
        held = np.concatenate(self._held)
        if len(held) < lead_samples and not last:
            return held[:0]
        self._held = None
        return held

    @property
    def speaks(self) -> bool:
        return self.task.speak

    @property
    def text_is_full(self) -> bool:
        """Whether the text has to be ended because the caller asked for no more."""
        return not self.text_over and len(self.tokens) >= self.task.max_tokens

    def take(self, column: NDArray[np.int64]) -> Taken:
        """Book what a step has sampled. column: [8]"""
        first = not self.steps
        self.steps.append(column)
        if self.speaks and not first and column[LAST_LAYER] == EOA:
            self.ended = EndReason.MAX_TOKENS if self._cut_short else EndReason.COMPLETED
            return Taken()
        text = self._take_text(int(column[TEXT_STREAM]), first)
        frame = self._whole_frame() if self.speaks else None
        if self.ended is None and self._too_long:
            self.ended = EndReason.MAX_TOKENS
        return Taken(text, frame)

    def end_text(self) -> None:
        """The text has been ended from outside; the sound goes on to say it."""
        self.text_over = True
        if not self.speaks:
            self.ended = EndReason.MAX_TOKENS

    def row_full(self) -> None:
        """There is no position left for another step."""
        self.ended = EndReason.MAX_TOKENS

    def _take_text(self, token: int, first: bool) -> str:
        if self.text_over:
            return ""
        if token == EOT and not first:
            self.text_over = True
            if not self.speaks:
                self.ended = EndReason.COMPLETED
            return ""
        text = self._stream.push(token) if token < EOT else ""
        self.text += text
        self.words.write(text)
        self.tokens.append(token)
        self.text_ends.append(len(self.text))
        return text

    def _whole_frame(self) -> Frame | None:
        """The frame that the newest step completes."""
        begin = len(self.steps) - FILL_STEPS
        if begin < 1:
            return None
        codes = [self.steps[begin + layer][layer] for layer in range(AUDIO_STREAMS)]
        frame: Frame = np.array(codes, np.int64)
        self.frames += 1
        self.concealed_frames += int((frame >= CODES).any())
        return frame

    @property
    def _cut_short(self) -> bool:
        return len(self.tokens) >= self.task.max_tokens

    @property
    def _too_long(self) -> bool:
        tokens = len(self.tokens) if self.text_over else self.task.max_tokens
        return self.frames >= FRAMES_AT_LEAST + FRAMES_PER_TOKEN * tokens

    def made(self) -> Made:
        """What the dialogue keeps of it."""
        return Made(
            spoken=self.speaks,
            steps=tuple(self.steps),
            frames=self.frames,
            text=self.text,
            tokens=tuple(token for token in self.tokens if token != PAD_T),
            text_ends=tuple(
                end
                for token, end in zip(self.tokens, self.text_ends, strict=True)
                if token != PAD_T
            ),
        )

    def closing(self, slot: int) -> Ended:
        """The closing message."""
        assert self.ended is not None, "the reply is under way"
        return Ended(
            slot,
            self.ended,
            self.prompt_tokens,
            len(self.tokens),
            self.frames,
            concealed_frames=self.concealed_frames,
        )
