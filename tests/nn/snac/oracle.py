"""The published `snac` package as the oracle, with its noise off or pinned to ours."""

from __future__ import annotations

from typing import Any

import snac
import torch
from torch import Tensor

from voiceserver import kernels
from voiceserver.nn.snac.config import SnacConfig, config_from
from voiceserver.nn.snac.network import random_state

torch.set_num_threads(1)  # threads that wait for one another crawl on a busy machine

FULL = {
    "sampling_rate": 24000,
    "encoder_dim": 48,
    "encoder_rates": [2, 4, 8, 8],
    "decoder_dim": 1024,
    "decoder_rates": [8, 8, 4, 2],
    "attn_window_size": None,
    "codebook_size": 4096,
    "codebook_dim": 8,
    "vq_strides": [4, 2, 1],
    "noise": True,
    "depthwise": True,
}
# 24 kHz in all but widths; then other strides (odd ones too), dense convolutions, no noise.
REDUCED = {**FULL, "encoder_dim": 2, "decoder_dim": 32, "latent_dim": 12, "codebook_size": 64}
ODD = {**REDUCED, "decoder_rates": [7, 3, 3], "vq_strides": [8, 4, 2, 1], "codebook_dim": 5}
DENSE = {**REDUCED, "decoder_rates": [3, 2], "vq_strides": [2, 1], "depthwise": False}
SILENT = {**REDUCED, "decoder_rates": [2, 5], "vq_strides": [1], "noise": False}
CONFIGS = {"24 kHz": REDUCED, "odd": ODD, "dense": DENSE, "no noise": SILENT}


def package(content: dict[str, Any], seed: int = 0) -> tuple[snac.SNAC, dict[str, Tensor]]:
    """The package's network with random weights in float64, noise off, and its state dict."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = snac.SNAC(**content).double().eval()
    state = network.state_dict() | random_state(config_from(content), seed)
    network.load_state_dict(state)
    pin_noise(network, None)
    return network, {key: tensor.float() for key, tensor in state.items()}


def pin_noise(network: snac.SNAC, seeds: Tensor | None) -> None:
    """The noise blocks add what ours draw for these seeds, or nothing."""
    blocks = [m for m in network.modules() if type(m).__name__ == "NoiseBlock"]
    for stage, block in enumerate(blocks):

        def forward(x: Tensor, block: Any = block, stage: int = stage) -> Tensor:
            if seeds is None:
                return x
            times = torch.arange(x.shape[-1]).expand(len(x), -1)
            drawn = kernels.normal_noise(seeds, torch.full(times.shape[1:], stage), times)
            return x + drawn[:, None].to(x.dtype) * block.linear(x)

        block.forward = forward


def random_codes(config: SnacConfig, batch: int, frames: int, seed: int = 0) -> Tensor:
    """[batch, frames, frame_codes], in the order of the codebooks"""
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, frames, config.frame_codes)
    return torch.randint(config.codebook_size, shape, generator=generator)
