"""The latency-tolerant loop of all slots, by the clock of the chunks (par. 3.1 of the paper).

While chunk N passes, its sound, made before, is being heard. The user's chunk N - 1 has just been
spoken; when it has come, it takes the place of its estimate, chunk N is estimated and our chunk
N + 1 is made, to be heard when N has passed. A real chunk that does not come in time holds nothing
up: the step is made with the estimate, and the chunk is put in when it comes. After LOST_CHUNKS
without any the user counts as silent, which is ours: the paper says nothing of lost chunks. Steps
that were missed (the machine was busy) are not made up for; the clock goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from voiceserver.clock import Clock
from voiceserver.engine.family import Samples, Spoken, Work
from voiceserver.engine.sampling import Sampling
from voiceserver.engine.sync_llm.checkpoint import Checkpoint
from voiceserver.engine.sync_llm.context import Context
from voiceserver.engine.sync_llm.schedule import ChunkClock, Span, UserStream
from voiceserver.engine.sync_llm.speech import ChunkTokenizer, ChunkVocoder
from voiceserver.engine.sync_llm.steps import Steps
from voiceserver.nn.sync_llm.chunks import units_per_chunk

LOST_CHUNKS = 5  # estimates in a row; then the user is taken to be silent
GATHER_SHARE = 0.25  # of a chunk: how long those whose user has been heard wait for the others
LAST_SHARE = 0.25  # of a chunk, at least, is kept for the step itself
REREAD_TOKENS = 512  # of the dialogue, when instructions change in its midst


class Sound(Protocol):
    """Where the users' audio is kept."""

    def read(self, slot: int, begin: int, end: int) -> Samples:
        """Samples of a slot; what is no longer, or not yet, there is left out."""
        ...


@dataclass
class Seat:
    """One slot in use."""

    stream: UserStream
    sampling: Sampling
    prompt: list[int]
    made: deque[tuple[int, Samples]] = field(default_factory=deque)  # chunks yet to be heard
    missed_chunks: int = 0  # of ours, that were not made in time


class Conversations:
    """Chunk clock, contexts, and the sound that waits for its time."""

    def __init__(
        self, checkpoint: Checkpoint, sound: Sound, slots: int, clock: Clock, seed: int
    ) -> None:
        settings, shape = checkpoint.settings, checkpoint.backbone.shape
        self._per_chunk = units_per_chunk(settings.chunk_ms)
        self._positions = min(settings.positions, shape.positions)
        self._checkpoint, self._sound, self._clock, self._seed = checkpoint, sound, clock, seed
        self.chunks = ChunkClock(clock, settings.chunk_ms)
        self._steps = Steps(checkpoint.backbone, checkpoint.vocabulary, slots, self._positions)
        self._tokenizer = ChunkTokenizer(checkpoint.units, self._per_chunk)
        self._vocoder = ChunkVocoder(checkpoint.vocoder, self._per_chunk)
        self._seats: dict[int, Seat] = {}
        self._passed = self.chunks.number()
        self.step_s: deque[float] = deque(maxlen=50)  # how long the newest steps took

    # --- who is there ------------------------------------------------------------------------

    def open(self, slot: int) -> None:
        self._seed += 1
        sampling = Sampling(self._checkpoint.settings.temperature, self._seed)
        stream = UserStream(self.chunks.samples)
        self._seats[slot] = Seat(stream, sampling, self._prompt(""))
        self._begin(slot)

    def _begin(self, slot: int) -> None:
        seat, silence = self._seats[slot], self._tokenizer.silence
        seat.made.clear()
        context = Context(
            self._checkpoint.vocabulary,
            self._per_chunk,
            self._positions,
            seat.prompt,
            silence,
            self.chunks.number(),
        )
        self._steps.open(slot, context, seat.sampling)
        self._vocoder.open(slot, silence)

    def restart(self, slot: int) -> None:
        """Something went wrong: begin again, as if nothing had been said."""
        if slot in self._seats:
            self._begin(slot)

    def close(self, slot: int) -> None:
        del self._seats[slot]
        self._steps.close(slot)
        self._vocoder.close(slot)

    def instruct(self, slot: int, text: str) -> None:
        """This stands in front of everything from now on."""
        prompt = self._prompt(text)
        if prompt != self._seats[slot].prompt:
            self._seats[slot].prompt = prompt
            self._steps.contexts[slot].instruct(prompt, REREAD_TOKENS)

    def _prompt(self, text: str) -> list[int]:
        bos = self._checkpoint.backbone.shape.bos
        ids = self._checkpoint.tokenizer.encode(text, add_special_tokens=False).ids if text else []
        # Half of the window, at most; the beginning of instructions says most.
        return [*([] if bos is None else [bos]), *ids][: self._positions // 2]

    def received(self, slot: int, samples: int) -> None:
        """More of a user's audio has come."""
        self._seats[slot].stream.received(samples, self.chunks.sample())

    # --- a step ------------------------------------------------------------------------------

    def think(self) -> None:
        """Hear a chunk of whoever has one, and step whoever it is time for."""
        number = self.chunks.number()
        self._pass(number)
        self._hear(number)
        slots = self._to_step(number)
        if not slots:
            return
        begun_s = self._clock.now_s()
        for slot in slots:
            context = self._steps.contexts[slot]
            if context.unreal() >= LOST_CHUNKS:
                context.heard(number - 1, context.quiet, real=False)
        sounds = self._vocoder(self._steps.step(slots))
        for slot, samples in sounds.items():
            self._seats[slot].made.append((number + 1, samples))
        self.step_s.append(self._clock.now_s() - begun_s)

    def _pass(self, number: int) -> None:
        """Chunks have passed since the last call: nobody's context may lag behind the clock."""
        if self._passed == number:
            return
        self._passed = number
        for slot, context in self._steps.contexts.items():
            self._seats[slot].stream.passed(number * self.chunks.samples)
            while context.last < number:
                context.skip()
                self._seats[slot].missed_chunks += 1

    def _hear(self, number: int) -> None:
        """Units of one chunk of every user that has been heard in full."""
        found: list[tuple[int, Span]] = []
        for slot, seat in self._seats.items():
            if (span := next(seat.stream.ready(number), None)) is not None:
                found.append((slot, span))
        if not found:
            return
        windows = [self._window(slot, span) for slot, span in found]
        for (slot, span), units in zip(found, self._tokenizer(windows), strict=True):
            self._steps.contexts[slot].heard(span.number, units)

    def _window(self, slot: int, span: Span) -> Samples:
        """A chunk with the context that its units are told from; silence before the first."""
        begin = span.begin - self._tokenizer.context_samples
        samples = self._sound.read(slot, max(0, begin), max(0, span.end))
        window = np.zeros(span.end - begin, np.float32)
        window[len(window) - len(samples) :] = samples
        return window

    def _to_step(self, number: int) -> list[int]:
        """Slots whose step is to be made now."""
        contexts = self._steps.contexts
        due = [slot for slot, context in contexts.items() if context.last == number]
        if not due or self.chunks.until_s(number, self._last_share()) == 0.0:
            return due
        ready = [slot for slot in due if contexts[slot].is_real(number - 1)]
        gathered = len(ready) == len(due) or self.chunks.until_s(number, GATHER_SHARE) == 0.0
        return ready if gathered else []

    def _last_share(self) -> float:
        """How much of a chunk may pass before the step must begin, heard or not."""
        needed = 1.25 * max(self.step_s, default=0.0) / self.chunks.chunk_s
        return max(0.0, 1.0 - max(LAST_SHARE, needed))

    # --- its sound ---------------------------------------------------------------------------

    def talk(self, slots: Sequence[int]) -> list[Spoken]:
        """The chunks whose time has come; a chunk whose time is over is not heard any more."""
        number = self.chunks.number()
        spoken: list[Spoken] = []
        for slot in slots:
            made = self._seats[slot].made
            while made and made[0][0] <= number:
                chunk, samples = made.popleft()
                if chunk == number:
                    spoken.append(Spoken(slot, samples, ()))
        return spoken

    def work(self) -> Work:
        """What there is to do now, and when there will be."""
        if not self._seats:
            return Work()
        number = self.chunks.number()
        moments = [self.chunks.until_s(number, s) for s in (GATHER_SHARE, self._last_share(), 1.0)]
        return Work(
            thinking=self._passed != number
            or any(seat.stream.is_ready(number) for seat in self._seats.values())
            or bool(self._to_step(number)),
            talking=[
                s for s, seat in self._seats.items() if seat.made and seat.made[0][0] <= number
            ],
            wake_in_s=min((moment_s for moment_s in moments if moment_s > 0.0), default=0.0),
        )
