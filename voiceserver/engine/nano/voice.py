"""The voice of `nano`: text that is still being written -> samples and word times.

Any number of slots speak at once. One `step` makes one frame for each of the slots it is given, in
one batch: talker, codec decoder, vocoder. A slot's sound does not depend on who else speaks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from voiceserver.engine.messages import WordTiming
from voiceserver.engine.nano.utterance import Utterance
from voiceserver.nn.checkpoint import CODEC_FILE, TALKER_FILE, load_network, read_metadata
from voiceserver.nn.codec import FRAME_LATENTS, FRAME_SAMPLES, Codec, CodecShape
from voiceserver.nn.hifigan import DELAY_SAMPLES, LATENT_DIMS, SAMPLE_RATE_HZ, HifiGan
from voiceserver.nn.streaming import SlotContexts, Tape
from voiceserver.nn.talker import Talker, TalkerShape

# The vocoder's last samples come this many steps after its last frame went in.
FLUSH_STEPS = -(-DELAY_SAMPLES // FRAME_SAMPLES)


@dataclass(frozen=True)
class SpokenFrame:
    slot: int
    samples: NDArray[np.float32]  # [n]: FRAME_SAMPLES, fewer while delays fill and at the end
    words: tuple[WordTiming, ...]  # whose timing became known
    last: bool


class Voice:
    sample_rate_hz = SAMPLE_RATE_HZ
    frame_samples = FRAME_SAMPLES

    def __init__(
        self,
        talker: Talker,
        codec: Codec,
        vocoder: HifiGan,
        symbol_ids: dict[str, int],
        slots: int,
    ) -> None:
        self._talker, self._codec, self._vocoder = talker, codec, vocoder
        self._symbol_ids = symbol_ids
        self._utterances: list[Utterance | None] = [None] * slots
        self._talker_contexts = SlotContexts(talker.context_shapes(), slots)
        self._codec_contexts = SlotContexts(codec.decoder.context_shapes(), slots)
        self._vocoder_contexts = SlotContexts(vocoder.context_shapes(), slots)
        shape = talker.shape
        # The digits of the last steps, newest last: as many as the latest head is late, and one.
        self._said = torch.full(
            (slots, shape.longest_delay + 1, shape.codec.dims), shape.no_digit, dtype=torch.long
        )
        self._delays = torch.tensor(shape.digit_delays())

    @classmethod
    def load(cls, folder: Path, slots: int) -> "Voice":
        codec_shape = CodecShape(**read_metadata(folder / CODEC_FILE)["shape"])
        described = read_metadata(folder / TALKER_FILE)
        shape = {**described["shape"], "delays": tuple(described["shape"]["delays"])}
        talker = Talker(TalkerShape(**{**shape, "codec": codec_shape}))
        codec, vocoder = Codec(codec_shape), HifiGan()
        load_network(folder / TALKER_FILE, "talker", talker)
        load_network(folder / CODEC_FILE, "codec", codec)
        load_network(folder / CODEC_FILE, "vocoder", vocoder)
        return cls(talker, codec, vocoder, described["symbols"], slots)

    def start(self, slot: int) -> None:
        """A new utterance in this slot; what it was saying is forgotten."""
        self._utterances[slot] = Utterance(self._talker, self._symbol_ids)
        self._talker_contexts.clear(slot)
        self._codec_contexts.clear(slot)
        self._vocoder_contexts.clear(slot)
        self._said[slot] = self._talker.shape.no_digit

    def write(self, slot: int, text: str) -> None:
        """More of the text; any piece of it, also a part of a word."""
        self._utterance(slot).write(text)

    def finish(self, slot: int) -> None:
        """No more text will come."""
        self._utterance(slot).finish()

    def stop(self, slot: int) -> None:
        """Forget the utterance."""
        self._utterances[slot] = None

    def ready(self, slot: int) -> bool:
        """Whether `step` can make this slot's next frame now."""
        utterance = self._utterances[slot]
        return utterance is not None and utterance.ready()

    @torch.inference_mode()
    def step(self, slots: Sequence[int]) -> list[SpokenFrame]:
        """The next frame of each of these ready slots."""
        speaking = [slot for slot in slots if self._utterance(slot).frames != 0]
        samples = self._next_samples(speaking) if speaking else {}
        return [self._frame(slot, samples.get(slot)) for slot in slots]

    def _next_samples(self, slots: list[int]) -> dict[int, NDArray[np.float32]]:
        """Steps all networks; a slot whose first frame is not complete yet has no samples."""
        self._talk(slots)
        delay = self._talker.shape.longest_delay
        decoding = [slot for slot in slots if self._utterance(slot).steps > delay]
        if not decoding:
            return {}
        samples = self._decode(decoding)
        return dict(zip(decoding, samples.numpy(), strict=True))

    def _talk(self, slots: list[int]) -> None:
        utterances = [self._utterance(slot) for slot in slots]
        index = torch.tensor(slots)
        latents = torch.stack([utterance.next_cues() for utterance in utterances])
        cues = self._talker.cues.per_frame(latents)  # [B, 1, width]
        tape = Tape(self._talker_contexts.read(index))
        logits, _ = self._talker(cues, self._said[index, -1:], tape)
        self._talker_contexts.write(index, tape.renewed)
        digits = logits[:, 0].argmax(-1)  # [B, dims]
        frame = torch.tensor([[u.steps - 1] for u in utterances]) - self._delays
        known = [u.frames for u in utterances]
        frames = torch.tensor([[frame.max().item() + 1 if n is None else n] for n in known])
        digits[(frame < 0) | (frame >= frames)] = self._talker.shape.no_digit
        self._said[index] = torch.cat([self._said[index, 1:], digits[:, None]], 1)

    def _decode(self, slots: list[int]) -> Tensor:
        """The newest complete frame of each slot, or silence after its last: [B, FRAME_SAMPLES]."""
        index = torch.tensor(slots)
        shape = self._talker.shape
        said = self._said[index]  # [B, longest_delay + 1, dims]
        classes = said.gather(1, self._delays.expand(len(slots), 1, -1))
        tape = Tape(self._codec_contexts.read(index))
        latents = self._codec.latents(self._codec.decode((classes - shape.codec.top).float(), tape))
        self._codec_contexts.write(index, tape.renewed)
        over = torch.tensor([self._decoded(slot) > self._most_frames(slot) for slot in slots])
        latents = latents.masked_fill(over[:, None, None], 0.0)
        assert latents.shape[1:] == (FRAME_LATENTS, LATENT_DIMS), latents.shape
        tape = Tape(self._vocoder_contexts.read(index))
        samples: Tensor = self._vocoder(latents, tape)
        self._vocoder_contexts.write(index, tape.renewed)
        return samples

    def _frame(self, slot: int, samples: NDArray[np.float32] | None) -> SpokenFrame:
        """Cuts the vocoder's delay off the front and what follows the last frame off the end."""
        utterance, decoded = self._utterance(slot), self._decoded(slot)
        frames = utterance.frames
        last = frames is not None and (frames == 0 or decoded == frames + FLUSH_STEPS)
        if samples is None:
            samples = np.zeros(0, np.float32)
        else:
            end = decoded * FRAME_SAMPLES - DELAY_SAMPLES  # in the utterance
            start = end - FRAME_SAMPLES
            stop = end if frames is None else min(end, frames * FRAME_SAMPLES)
            samples = samples[max(0, -start) : max(0, stop - start)]
        return SpokenFrame(slot, samples, utterance.take_words(), last)

    def _decoded(self, slot: int) -> int:
        """Frames that went through the vocoder, silent ones at the end included."""
        return self._utterance(slot).steps - self._talker.shape.longest_delay

    def _most_frames(self, slot: int) -> int:
        frames = self._utterance(slot).frames
        return self._decoded(slot) if frames is None else frames

    def _utterance(self, slot: int) -> Utterance:
        utterance = self._utterances[slot]
        assert utterance is not None, f"nothing is being said in slot {slot}"
        return utterance
