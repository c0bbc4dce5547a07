"""SNAC as this project uses it: codes in, samples out. Encoding is left to the `snac` package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from voiceserver.nn.snac.config import SnacConfig, read_config
from voiceserver.nn.snac.decoder import Whole, latents_of, samples_of
from voiceserver.nn.snac.plan import Plan
from voiceserver.nn.snac.weights import expected_shapes, read_weights
from voiceserver.nn.torch_file import read_state

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "pytorch_model.bin"


class Snac:
    """A decoder; it holds nothing but weights, so any number of streams can share it."""

    def __init__(
        self,
        config: SnacConfig,
        state: Mapping[str, Tensor],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        source: str = "the SNAC state dict",
    ) -> None:
        """`state` has the published names, with weight normalisation; the encoder's are ignored."""
        self.config, self.device, self.dtype = config, torch.device(device), dtype
        self.weights = read_weights(state, config, source, self.device, dtype)

    @classmethod
    def random(
        cls,
        config: SnacConfig,
        seed: int = 0,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Snac:
        """Random weights: right in size, meaningless in sound. For benches and tests only."""
        return cls(config, random_state(config, seed), device, dtype)

    @property
    def parameters(self) -> int:
        """Numbers among the folded weights that a decode reads."""
        return sum(tensor.numel() for tensor in self.weights.tensors())

    @torch.inference_mode()
    def decode(
        self, codes: Sequence[Tensor], seeds: Tensor | None = None, first_latent: int = 0
    ) -> Tensor:
        """Whole utterances. codes: [B, T / stride] of each codebook -> samples [B, T * hop].

        The decoder's noise is off without seeds ([B], int64). `first_latent` is where in their
        utterance the codes begin; it decides nothing but which noise is drawn.
        """
        latents = latents_of(codes, self.weights, self.config)
        noise = None
        if seeds is not None and self.config.noise:
            plan = Plan.whole(self.config, latents.shape[1], self.device)
            noise = plan.noise(seeds, torch.full_like(seeds, first_latent), self.dtype)
        return samples_of(latents, self.weights, Whole(), noise)


def load(
    folder: Path, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32
) -> Snac:
    """The decoder in a folder laid out as the model hub has it, or an AssetError."""
    config, path = read_config(folder / CONFIG_FILE), folder / WEIGHTS_FILE
    return Snac(config, read_state(path), device, dtype, str(path))


def random_state(config: SnacConfig, seed: int = 0) -> dict[str, Tensor]:
    """Random weights under the published names, drawn so that sound neither fades nor clips."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, shape in expected_shapes(config).items():
        tensor = torch.randn(shape, generator=generator)
        if name.endswith("alpha"):
            tensor = tensor.abs() + 0.5
        elif name.endswith("original0"):
            tensor = 0.6 + 0.1 * tensor
        elif name.endswith("bias"):
            tensor = 0.1 * tensor
        state[name] = tensor
    return state
