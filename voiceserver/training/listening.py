"""The teacher's speech, plain and through our codec, to hear what each part of the voice loses."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from voiceserver.assets import resolve
from voiceserver.nn.checkpoint import CODEC_FILE, load_network, read_metadata
from voiceserver.nn.codec import FRAME_LATENTS, Codec, CodecShape
from voiceserver.nn.hifigan import DELAY_SAMPLES, HOP_SAMPLES, SAMPLE_RATE_HZ, HifiGan
from voiceserver.nn.streaming import Tape, zero_contexts
from voiceserver.training.corpus import sentences_of
from voiceserver.training.teacher import TEACHER_FILE, Teacher

Speaker = Callable[[str], NDArray[np.float32]]


def teacher_speakers(folder: Path) -> dict[str, tuple[Speaker, int]]:
    """ "teacher": its latents through its vocoder. "codec": the same through our codec first."""
    teacher = Teacher(resolve("nano", ("teacher",))["teacher"] / TEACHER_FILE)
    codec = Codec(CodecShape(**read_metadata(folder / CODEC_FILE)["shape"]))
    vocoder = HifiGan()
    load_network(folder / CODEC_FILE, "codec", codec)
    load_network(folder / CODEC_FILE, "vocoder", vocoder)

    def plain(text: str) -> NDArray[np.float32]:
        return vocoded(vocoder, _latents(teacher, text))

    def coded(text: str) -> NDArray[np.float32]:
        return vocoded(vocoder, through_codec(codec, _latents(teacher, text)))

    return {"teacher": (plain, SAMPLE_RATE_HZ), "codec": (coded, SAMPLE_RATE_HZ)}


def _latents(teacher: Teacher, text: str) -> Tensor:
    """[T, LATENT_DIMS] of all sentences, T a whole number of frames."""
    spoken = [teacher.speak(symbols).latents for symbols in sentences_of(text)]
    latents = torch.from_numpy(np.concatenate(spoken).astype(np.float32))
    return torch.cat([latents, latents[-1:].expand(-len(latents) % FRAME_LATENTS, -1)])


@torch.inference_mode()
def through_codec(codec: Codec, latents: Tensor) -> Tensor:
    """latents: [T, LATENT_DIMS] -> what the codec keeps of them."""
    digits = codec.encode(codec.frames(latents[None])).round()
    tape = Tape(zero_contexts(codec.decoder.context_shapes(), 1))
    return codec.latents(codec.decode(digits, tape))[0]


@torch.inference_mode()
def vocoded(vocoder: HifiGan, latents: Tensor) -> NDArray[np.float32]:
    """latents: [T, LATENT_DIMS] -> samples [T * HOP_SAMPLES]."""
    flush = -(-DELAY_SAMPLES // HOP_SAMPLES)
    tape = Tape(zero_contexts(vocoder.context_shapes(), 1))
    whole: Tensor = vocoder(F.pad(latents, (0, 0, 0, flush))[None], tape)[0]
    samples: NDArray[np.float32] = whole.numpy()
    return samples[DELAY_SAMPLES : DELAY_SAMPLES + len(latents) * HOP_SAMPLES]
