"""What the loop asks of a model family, in plain values; `nano` is the first.

A family hears, thinks and talks for numbered slots. It never waits: every call does a bounded
piece of work and returns what became known. Who sits in a slot, epochs and pacing are the loop's
business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from voiceserver.engine.forecast import Forecast
from voiceserver.engine.messages import (
    ChatMessage,
    EndReason,
    EngineReady,
    NoiseReduction,
    WordTiming,
)
from voiceserver.engine.tools import NO_TOOLS, ToolCall, Tools

Samples = NDArray[np.float32]  # mono, -1..1


# --- what listening brings ------------------------------------------------------------------------


@dataclass(frozen=True)
class Window:
    """One analysed window of a slot's microphone."""

    slot: int
    end_sample: int
    probability: float
    level_dbfs: float
    echo_likeness: float
    forecast: Forecast | None = None


@dataclass(frozen=True)
class Transcript:
    slot: int
    request_id: int
    text: str
    failed: bool = False


@dataclass(frozen=True)
class FloorScore:
    slot: int
    request_id: int
    probability: float | None


@dataclass(frozen=True)
class TurnScore:
    slot: int
    request_id: int
    probability: float


Heard = Window | Transcript | FloorScore | TurnScore


# --- what speaking takes and brings ---------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """One reply to make."""

    dialogue: tuple[ChatMessage, ...]
    speak: bool
    max_tokens: int
    temperature: float
    seed: int
    verbatim: str | None = None
    item_id: str = ""  # of the reply
    open_ended: bool = False  # max_tokens is our own default, nobody asked for it
    tools: Tools = NO_TOOLS


@dataclass(frozen=True)
class Written:
    """More text of a slot's reply."""

    slot: int
    text: str
    complete: float | None = None  # see TextDelta


@dataclass(frozen=True)
class Spoken:
    """More sound of a slot's reply."""

    slot: int
    samples: Samples
    words: tuple[WordTiming, ...]


@dataclass(frozen=True)
class Ended:
    """A slot's reply is complete, or has failed; nothing more of it follows."""

    slot: int
    reason: EndReason
    prompt_tokens: int = 0
    text_tokens: int = 0
    audio_frames: int = 0
    message: str = ""
    concealed_frames: int = 0
    calls: tuple[ToolCall, ...] = ()
    thinker_failure: str = ""


Made = Written | Spoken | Ended


def failed(slot: int, error: Exception) -> Ended:
    """The end of a reply that an exception has cost."""
    message = f"the model failed: {type(error).__name__}: {error}"
    return Ended(slot, EndReason.FAILED, message=message)


@dataclass(frozen=True)
class Shape:
    """Sizes and rates the loop and the gateway need to know."""

    name: str
    slots: int
    voice_rate_hz: int
    frame_samples: int
    hears_audio: bool = False  # this and the next five: see EngineReady
    calls_tools: bool = False
    reads_images: bool = False
    reads_ahead: bool = False  # the family is then a `ReadsAhead`
    speaks_verbatim: bool = False
    dialogue_chars: int = EngineReady.dialogue_chars
    continuous: bool = False  # speaks always, silence included: its one reply is its session
    gathers: bool = False  # one step of several slots costs much less than a step of each
    # Sound ahead below which a session is in danger of a gap: then only such sessions are stepped,
    # so that nobody's comfort delays somebody's first sound.
    urgent_frames: float = 1.5

    @property
    def frame_s(self) -> float:
        return self.frame_samples / self.voice_rate_hz

    def greeting(self) -> EngineReady:
        """What the gateway needs to know of it."""
        return EngineReady(
            model=self.name,
            slots=self.slots,
            voice_rate_hz=self.voice_rate_hz,
            frame_samples=self.frame_samples,
            hears_audio=self.hears_audio,
            calls_tools=self.calls_tools,
            reads_images=self.reads_images,
            reads_ahead=self.reads_ahead,
            speaks_verbatim=self.speaks_verbatim,
            dialogue_chars=self.dialogue_chars,
            continuous=self.continuous,
        )


@dataclass
class Work:
    """What a family still has to do; the loop sleeps when all of it is False."""

    listening: bool = False
    thinking: bool = False
    talking: Sequence[int] = field(default_factory=tuple)  # slots with a frame to speak
    cold: bool = False  # something can be read before a reply needs it
    wake_in_s: float | None = None  # until there will be work by the clock alone


class Family(Protocol):
    """A model that hears and answers in every slot at once."""

    @property
    def shape(self) -> Shape: ...

    def open(self, slot: int) -> None:
        """Make a slot fresh for a new session."""
        ...

    def close(self, slot: int) -> None:
        """Forget a slot's session, its audio and its work under way."""
        ...

    def hear(self, slot: int, pcm16: bytes) -> None:
        """Take more of the microphone; the analysis follows in `listen`."""
        ...

    def reduce_noise(self, slot: int, noise: NoiseReduction | None) -> None:
        """What the session wants from now on."""
        ...

    def recognise(
        self, slot: int, request_id: int, start_sample: int, end_sample: int, final: bool
    ) -> None: ...

    def judge_floor(
        self, slot: int, request_id: int, start_sample: int, end_sample: int
    ) -> None: ...

    def predict_turn_end(
        self, slot: int, request_id: int, start_sample: int, end_sample: int
    ) -> None: ...

    def turn_began(self, slot: int, start_sample: int, dialogue: tuple[ChatMessage, ...]) -> None:
        """The user has begun to speak; only told if `shape.hears_audio`."""
        ...

    def listen(self) -> list[Heard]:
        """Analyse a bounded piece of what was heard; collect what finished in the background."""
        ...

    def begin(self, slot: int, task: Task) -> None:
        """Start a reply, ending an earlier one of this slot."""
        ...

    def stop(self, slot: int) -> None:
        """Drop a slot's reply; nothing more of it is returned."""
        ...

    def think(self) -> list[Made]:
        """One batched step of writing."""
        ...

    def talk(self, slots: Sequence[int]) -> list[Made]:
        """One batched step of speaking, for these slots only."""
        ...

    def played(self, slot: int, samples: Samples, begins_in_s: float) -> None:
        """Learn when our sound will leave the user's loudspeaker, for echo and turn taking."""
        ...

    def held_back(self, slot: int, silent_s: float) -> None:
        """The loudspeaker was kept silent for so long, and goes on now where it stopped."""
        ...

    def hushed(self, slot: int) -> None:
        """The user's loudspeaker is silent from now on: what it had not played it will not play."""
        ...

    def work(self) -> Work: ...

    def shut_down(self) -> None:
        """End background threads."""
        ...


@runtime_checkable
class Instructed(Protocol):
    """A family that is told what stands in front of everything, besides its dialogue."""

    def instruct(self, slot: int, text: str) -> None: ...


@runtime_checkable
class ReadsAhead(Protocol):
    """A family that reads what replies will begin with while it has nothing else to do."""

    def read_ahead(self, slot: int, dialogue: tuple[ChatMessage, ...]) -> None:
        """A reply to a dialogue that begins so may soon be wanted; it is read in `warm`."""
        ...

    def warm(self) -> None:
        """Read one piece of what is not wanted yet."""
        ...
