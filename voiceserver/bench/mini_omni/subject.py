"""What a bench of a model measures: which weights, and on which device."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from voiceserver.engine.mini_omni.device import precision_on
from voiceserver.nn.mini_omni import weights
from voiceserver.nn.mini_omni.config import MiniOmniConfig
from voiceserver.nn.mini_omni.network import MiniOmni

PUBLISHED = MiniOmniConfig(
    layers=24,
    model_dim=896,
    hidden_dim=4864,
    heads=14,
    kv_heads=2,
    head_dim=64,
    whisper_dim=768,
)
# To try a bench itself in a moment: its figures say nothing of the model.
REDUCED = MiniOmniConfig(
    layers=2, model_dim=64, hidden_dim=128, heads=4, kv_heads=2, head_dim=16, whisper_dim=32
)


@dataclass(frozen=True)
class Subject:
    """A Mini-Omni on a device: a checkpoint's, or random weights of the published sizes."""

    device: torch.device
    weights: Path | None = None  # a checkpoint's folder; None: random weights
    reduced: bool = False  # random weights of small sizes

    def language(self) -> tuple[MiniOmniConfig, dict[str, Tensor]]:
        """Config and state dict, on the CPU."""
        if self.weights is None:
            config = REDUCED if self.reduced else PUBLISHED
            return config, random_state(config)
        from voiceserver.engine.mini_omni import checkpoint

        return checkpoint.language(self.weights)

    def network(self, config: MiniOmniConfig, state: dict[str, Tensor]) -> MiniOmni:
        """The network as it is served on this device: bfloat16 on CUDA, int8 on a CPU."""
        dtype, int8 = precision_on(self.device)
        return MiniOmni(config, state, self.device, dtype, int8=int8)

    def described(self) -> str:
        if self.weights is not None:
            return str(self.weights)
        return f"random weights of {'reduced' if self.reduced else 'the published'} sizes"


def random_state(config: MiniOmniConfig, seed: int = 0) -> dict[str, Tensor]:
    """Random weights under the checkpoint's names, scaled so that activations keep their size."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, shape in weights.shapes(config).items():
        if len(shape) == 1:
            state[name] = torch.zeros(shape) if name.endswith("bias") else torch.ones(shape)
        elif name == weights.HEAD:
            continue  # tied
        else:
            state[name] = torch.randn(shape, generator=generator).mul_(shape[1] ** -0.5)
    state[weights.HEAD] = state[weights.TABLE]
    return state
