"""A whole checkpoint for a bench: a folder's, or random weights of the published or small sizes."""

from __future__ import annotations

from dataclasses import replace

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from voiceserver.bench.mini_omni.subject import Subject
from voiceserver.engine.mini_omni import checkpoint
from voiceserver.engine.mini_omni.checkpoint import Checkpoint
from voiceserver.engine.mini_omni.device import precision_on
from voiceserver.engine.mini_omni.files import CheckpointFiles
from voiceserver.nn.snac import SNAC_24KHZ, Snac
from voiceserver.nn.whisper.config import WhisperConfig
from voiceserver.nn.whisper.encoder import WhisperEncoder
from voiceserver.nn.whisper.weights import encoder_shapes, encoder_weights

WHISPER_SMALL = WhisperConfig(bands=80, positions=1500, dim=768, heads=12, layers=12)
SNAC_REDUCED = replace(SNAC_24KHZ, decoder_dim=64, latent_dim=64)


def checkpoint_of(subject: Subject) -> Checkpoint:
    """What the family is made of, on the subject's device."""
    if subject.weights is not None:
        return checkpoint.load(CheckpointFiles.in_folder(subject.weights), subject.device)
    config, state = subject.language()
    codec = SNAC_REDUCED if subject.reduced else SNAC_24KHZ
    return Checkpoint(
        network=subject.network(config, state),
        tokenizer=bytes_tokenizer(),
        snac=Snac.random(codec, device=subject.device),
        whisper=random_whisper(subject, config.whisper_dim),
    )


def random_whisper(subject: Subject, dim: int) -> WhisperEncoder:
    """Whisper small, or an encoder as narrow as the reduced model's."""
    reduced = replace(WHISPER_SMALL, dim=dim, heads=2, layers=2)
    config = reduced if subject.reduced else WHISPER_SMALL
    generator = torch.Generator().manual_seed(0)
    state = {
        name: torch.randn(shape, generator=generator)
        * (shape[-1] if len(shape) > 1 else 100) ** -0.5
        for name, shape in encoder_shapes(config).items()
    }
    dtype, int8 = precision_on(subject.device)
    return WhisperEncoder(config, encoder_weights(config, state, subject.device, dtype, int8=int8))


def bytes_tokenizer() -> Tokenizer:
    """A token for every byte: random weights have nothing to say."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
