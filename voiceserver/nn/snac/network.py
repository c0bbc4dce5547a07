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
    """A decoder; it keeps nothing of what it decodes, so any number of streams can share it."""

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
        self._plans: dict[int, Plan] = {}  # of whole utterances, by their latents

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
        self,
        codes: Sequence[Tensor],
        seeds: Tensor | None = None,
        first_latents: Tensor | None = None,
    ) -> Tensor:
        """Whole utterances. codes: [B, T / stride] of each codebook -> samples [B, T * hop].

        The decoder's noise is off without seeds ([B], int64). `first_latents` ([B]) is where in
        their utterances the codes begin; it decides nothing but which noise is drawn.
        """
        latents = latents_of(codes, self.weights, self.config)
        noise = None
        if seeds is not None and self.config.noise:
            first = torch.zeros_like(seeds) if first_latents is None else first_latents
            noise = self._plan(latents.shape[1]).noise(seeds, first, self.dtype)
        return samples_of(latents, self.weights, Whole(), noise)

    def _plan(self, latents: int) -> Plan:
        if latents not in self._plans:
            self._plans[latents] = Plan.whole(self.config, latents, self.device)
        return self._plans[latents]


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
