"""A Whisper of reduced size with random weights, the original and ours."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
import torch
from whisper.model import ModelDimensions, Whisper

from voiceserver.nn.whisper import WhisperConfig, WhisperEncoder
from voiceserver.nn.whisper.weights import encoder_weights


@pytest.fixture(scope="session")
def original() -> Whisper:
    dims = ModelDimensions(80, 1500, 48, 3, 2, 64, 24, 48, 3, 2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        made = Whisper(dims).eval()
        made.decoder.positional_embedding.data.normal_(std=0.1)  # its file's, no memory's
        for name, parameter in (*made.encoder.named_parameters(), *made.decoder.named_parameters()):
            if "ln" in name or name.endswith("bias"):  # as drawn by torch they would do nothing
                parameter.data += 0.1 * torch.randn_like(parameter)
            elif "attn" in name:  # so that what is attended to matters
                parameter.data *= 3.0
    return made


@pytest.fixture(scope="session")
def checkpoint(original: Whisper) -> dict[str, Any]:
    """What openai's files hold."""
    return {"dims": asdict(original.dims), "model_state_dict": original.state_dict()}


@pytest.fixture(scope="session")
def encoder(checkpoint: dict[str, Any]) -> WhisperEncoder:
    config = WhisperConfig.of_dims(checkpoint["dims"])
    return WhisperEncoder(config, encoder_weights(config, checkpoint["model_state_dict"]))


@pytest.fixture(scope="session")
def short_encoder(checkpoint: dict[str, Any]) -> WhisperEncoder:
    """The same with room for 2.8 s only, so that its end is reached soon."""
    config = WhisperConfig.of_dims(checkpoint["dims"] | {"n_audio_ctx": 140})
    state = dict(checkpoint["model_state_dict"])
    state["encoder.positional_embedding"] = state["encoder.positional_embedding"][:140]
    return WhisperEncoder(config, encoder_weights(config, state))


def noise(samples: int, seed: int = 0) -> np.ndarray:
    """Noise whose loudness changes, at 16 kHz."""
    time = np.arange(samples) / 16_000
    drawn = np.random.default_rng(seed).normal(scale=0.1, size=samples)
    return (drawn * (0.05 + np.sin(5 * time) ** 2)).astype(np.float32)
