"""Whether the voice may be timed at all, and how far its early start is from the exact sound."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from voiceserver.engine.family import Samples
from voiceserver.engine.mini_omni.voice import HELD_SAMPLES, LAYERS, SnacVoice
from voiceserver.errors import VoiceserverError
from voiceserver.nn.snac import Snac, SnacConfig
from voiceserver.nn.snac.streaming import split_codes

TOLERANCE: Final = {"cpu": 1e-5, "cuda": 1e-4}  # in float32, of samples in -1 .. 1
LENGTHS: Final = (5, 3)  # frames of the checked utterances
BEGINNINGS: Final = (0, 2)  # in steps

Frames = NDArray[np.int64]  # [frames, 7], by layer


def random_frames(config: SnacConfig, count: int, seed: int) -> Frames:
    shape = (count, config.frame_codes)
    return np.random.default_rng(seed).integers(0, config.codebook_size, shape)


def whole(snac: Snac, frames: Frames, seed: int) -> Samples:
    """All at once, with the noise of this seed."""
    codes = torch.from_numpy(frames[None][..., list(LAYERS)]).to(snac.device)
    parts = split_codes(codes, snac.config.codes_per_frame)
    samples: Samples = snac.decode(parts, torch.tensor([seed], device=snac.device))[0].cpu().numpy()
    return samples


def check(voice: SnacVoice, snac: Snac) -> float:
    """Utterances of other lengths and beginnings in one batch; the largest difference."""
    said = [random_frames(snac.config, count, slot) for slot, count in enumerate(LENGTHS)]
    heard: list[list[Samples]] = [[] for _ in said]
    moment = 0
    while moment <= max(BEGINNINGS) or not all(map(voice.flushed, range(len(said)))):
        now: dict[int, Frames | None] = {}
        for slot, frames in enumerate(said):
            place = moment - BEGINNINGS[slot]
            if place == 0:
                voice.start(slot, slot)
            if place >= 0 and not voice.flushed(slot):
                now[slot] = frames[place] if place < len(frames) else None
        for slot, samples in voice.decode(now).items():
            heard[slot].append(samples)
        moment += 1
    pairs = [(np.concatenate(heard[i]), whole(snac, said[i], i)) for i in range(len(said))]
    worst = max(float(np.abs(made - exact).max()) for made, exact in pairs)
    if not worst <= TOLERANCE[snac.device.type]:
        raise VoiceserverError(f"the stream is {worst:.1e} off the whole decode: not timed")
    return worst


def early_start_db(snac: Snac, early_frames: int, utterances: int = 4) -> list[float]:
    """Signal-to-noise ratio of what each early frame brings, its difference to the exact sound
    being the noise."""
    signal, noise = np.zeros(early_frames), np.zeros(early_frames)
    for seed in range(utterances):
        frames = random_frames(snac.config, early_frames + 4, 100 + seed)
        voice = SnacVoice(snac, 1, early_frames=early_frames)
        voice.start(0, seed)
        pieces = [voice.decode({0: frame})[0] for frame in frames]
        sound, exact = np.concatenate(pieces), whole(snac, frames, seed)
        for i in range(early_frames):
            start = i * voice.frame_samples - HELD_SAMPLES
            part = slice(max(0, start), start + voice.frame_samples)
            signal[i] += np.square(exact[part]).sum()
            noise[i] += np.square(sound[part] - exact[part]).sum()
    return [float(ratio) for ratio in 10 * np.log10(signal / noise)]
