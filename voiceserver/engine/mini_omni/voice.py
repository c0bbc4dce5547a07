"""The voice of Mini-Omni: frames of seven codes -> samples, for any number of slots at once.

A slot's sound is decoded as one exact stream, which looks 198 ms ahead. For a quick beginning the
first frames are, besides, decoded by themselves and heard at once; the stream follows when it is
needed, and takes over when it has caught up. Who else speaks changes nothing of a slot's sound.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from voiceserver.engine.family import Samples
from voiceserver.engine.mini_omni.codec import CodecRunner, Codes, EagerCodec, GraphCodec
from voiceserver.engine.mini_omni.concealment import Concealment
from voiceserver.engine.mini_omni.takeover import FADE_SAMPLES, TakeOver
from voiceserver.errors import AssetError
from voiceserver.nn.snac import SNAC_24KHZ, Snac, SnacConfig

# Which of a frame's layers l0 .. l6 are the codes of the codebooks, in the order of their time: one
# of the first book, two of the second, four of the third.
LAYERS: Final = (0, 1, 4, 2, 3, 5, 6)

# Frames heard early. The stream takes over two frames after the last of them, so until then the
# early sound must last: one frame does while the model makes a frame in 23 ms, three in 54 ms.
EARLY_FRAMES_CUDA: Final = 1
EARLY_FRAMES_CPU: Final = 3

# They are decoded together with the one before them; what is missing is what follows.
WINDOW_FRAMES: Final = 2

# Of an early frame so much is held back that the stream's second step after it just goes past it.
TAKE_OVER_FRAMES: Final = 2
HELD_SAMPLES: Final = (
    SNAC_24KHZ.delay_samples - TAKE_OVER_FRAMES * SNAC_24KHZ.frame_samples + FADE_SAMPLES
)


class SnacVoice:
    sample_rate_hz = SNAC_24KHZ.sampling_rate
    frame_samples = SNAC_24KHZ.frame_samples

    def __init__(
        self,
        snac: Snac,
        slots: int,
        *,
        early: bool = True,
        early_frames: int | None = None,
        runner: CodecRunner | None = None,
    ) -> None:
        """`early_frames` is how many frames are heard early, if `early`."""
        on_cuda = snac.device.type == "cuda"
        if early_frames is None:
            early_frames = EARLY_FRAMES_CUDA if on_cuda else EARLY_FRAMES_CPU
        self._config = _checked(snac.config)
        self._early_frames = early_frames if early else 0
        if runner is None:
            runner = GraphCodec(snac, slots) if on_cuda else EagerCodec(snac, slots)
        if isinstance(runner, GraphCodec):
            runner.capture_all(min(self._early_frames, WINDOW_FRAMES))
        self._runner = runner
        self._utterances: list[_Utterance | None] = [None] * slots
        self.concealed_frames = 0  # frames with ids that are in no codebook

    def start(self, slot: int, seed: int) -> None:
        """A new utterance in this slot; what it was saying is forgotten."""
        self._utterances[slot] = _Utterance(self._config, self._early_frames)
        self._runner.reset(slot, seed)

    def stop(self, slot: int) -> None:
        """Forget the utterance."""
        self._utterances[slot] = None

    def flushed(self, slot: int) -> bool:
        """Whether the utterance is over and everything of it was returned."""
        utterance = self._utterances[slot]
        return utterance is None or utterance.flushed

    def decode(self, frames: Mapping[int, NDArray[np.integer] | None]) -> dict[int, Samples]:
        """The next frame of each of these slots, its codes [7] by layer; None: there are no more.

        Returns the samples that became final: none while delays fill, several frames when the
        stream takes over. After the last frame comes None until the slot is flushed.
        """
        for slot, codes in frames.items():
            self._take(slot, codes)
        speaking = {slot: self._utterance(slot) for slot in frames}
        heard: dict[int, Samples] = dict.fromkeys(frames, np.empty(0, np.float32))
        early = {slot: u for slot, u in speaking.items() if u.speaks_early}
        windows = self._runner.window(
            {slot: u.window() for slot, u in early.items()},
            {slot: u.window_start for slot, u in early.items()},
        )
        for slot, samples in windows.items():
            heard[slot] = early[slot].provisional(samples)
        steps = {slot: u.next_step() for slot, u in speaking.items() if not u.speaks_early}
        steps = {slot: codes for slot, codes in steps.items() if len(codes)}
        for slot, samples in self._runner.step(steps).items():
            heard[slot] = speaking[slot].stream(samples)
        return heard

    def _take(self, slot: int, codes: NDArray[np.integer] | None) -> None:
        utterance = self._utterance(slot)
        if codes is not None:
            assert codes.shape == (len(LAYERS),), codes.shape
            self.concealed_frames += utterance.take(codes[list(LAYERS)])
        elif utterance.finish():
            self._runner.finish(slot, utterance.frames)

    def _utterance(self, slot: int) -> _Utterance:
        utterance = self._utterances[slot]
        assert utterance is not None, f"slot {slot} says nothing"
        return utterance


class _Utterance:
    """What is being said in one slot."""

    def __init__(self, config: SnacConfig, early_frames: int) -> None:
        self._config, self._early_frames = config, early_frames
        self._concealment = Concealment(
            config.codebook_size, config.frame_codes, config.frame_samples
        )
        self._taking_over = TakeOver(early_frames > 0, HELD_SAMPLES)
        self._recent: list[NDArray[np.int64]] = []  # frames, as many as a window takes
        self._waiting: list[NDArray[np.int64]] = []  # frames the stream has not decoded yet
        self.frames = 0
        self._steps = 0  # of the stream
        self._finished = False

    def take(self, codes: NDArray[np.integer]) -> bool:
        """The next frame, in the order of the codebooks; returns whether it had to be concealed."""
        assert not self._finished, "a frame after the last"
        before = self._concealment.concealed_frames
        decodable = self._concealment.decodable(codes)
        self._recent = [*self._recent, decodable][-WINDOW_FRAMES:]
        self._waiting.append(decodable)
        self.frames += 1
        return self._concealment.concealed_frames > before

    def finish(self) -> bool:
        """There are no more frames; returns whether that is news."""
        news, self._finished = not self._finished, True
        if not self.flushed:
            self._waiting.append(np.zeros(self._config.frame_codes, np.int64))
        return news

    @property
    def flushed(self) -> bool:
        return self._finished and self._taking_over.returned == self._samples

    @property
    def _samples(self) -> int:
        return self.frames * self._config.frame_samples

    @property
    def speaks_early(self) -> bool:
        """Whether the newest frame is heard at once; the stream is left behind meanwhile."""
        return not self._finished and self.frames <= self._early_frames

    def window(self) -> Codes:
        return np.stack(self._recent)

    @property
    def window_start(self) -> int:
        """The frame that the window begins with."""
        return self.frames - len(self._recent)

    def provisional(self, samples: Samples) -> Samples:
        start = self.window_start * self._config.frame_samples
        return self._faded(self._taking_over.provisional(samples, start))

    def next_step(self) -> Codes:
        """What the stream decodes next: [frames, frame_codes]"""
        codes, self._waiting = self._waiting, []
        return np.stack(codes) if codes else np.empty((0, self._config.frame_codes), np.int64)

    def stream(self, samples: Samples) -> Samples:
        """`samples`: all that the stream made in the last step, `delay_samples` late."""
        start = self._steps * self._config.frame_samples - self._config.delay_samples
        self._steps += len(samples) // self._config.frame_samples
        valid = samples[max(0, -start) : max(0, self._samples - start)]
        return self._faded(self._taking_over.stream(valid))

    def _faded(self, samples: Samples) -> Samples:
        return self._concealment.faded(samples, self._taking_over.returned - len(samples))


def _checked(config: SnacConfig) -> SnacConfig:
    fits = (
        config.sampling_rate == SnacVoice.sample_rate_hz
        and config.frame_samples == SnacVoice.frame_samples
        and config.vq_strides == SNAC_24KHZ.vq_strides
    )
    if not fits:
        raise AssetError(
            f"this SNAC makes frames of {config.frame_samples} samples at {config.sampling_rate} "
            f"Hz from {config.frame_codes} codes; Mini-Omni speaks through the 24 kHz one, with "
            f"{SnacVoice.frame_samples} samples and {SNAC_24KHZ.frame_codes} codes"
        )
    return config
