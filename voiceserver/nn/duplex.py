"""The duplex policy: after every window, what the user is about to do and what we should do.

A small recurrent network over the features of `audio.duplex_features`. Its state is passed
explicitly; one step serves all slots together, and a whole dialogue is the same steps in a row.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import torch
from torch import Tensor, nn

from voiceserver.audio.duplex_features import FEATURES, RECIPE
from voiceserver.errors import AssetError
from voiceserver.nn.checkpoint import load_network, save_networks

ENTER_DROPOUT, LEAVE_DROPOUT = 0.2, 0.4  # in training: there are few voices to learn from
USER_CLASSES, OWN_CLASSES = 6, 5  # engine.messages.USER_FORECAST and OWN_FORECAST
WEIGHTS_FILE, CONFIG_FILE = "policy.safetensors", "config.json"


@dataclass(frozen=True)
class DuplexShape:
    """What fits the weights; a file with other fields or other features is refused."""

    features: int = FEATURES
    recipe: int = RECIPE
    width: int = 128
    layers: int = 1
    # Logits are divided by these, so that probabilities are as often right as they say.
    user_temperature: float = 1.0
    own_temperature: float = 1.0


class DuplexPolicy(nn.Module):
    """Features -> gated recurrent layers -> two classifications."""

    mean: Tensor
    scale: Tensor

    def __init__(self, shape: DuplexShape) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("mean", torch.zeros(shape.features))
        self.register_buffer("scale", torch.ones(shape.features))
        self.enter = nn.Linear(shape.features, shape.width)
        self.memory = nn.GRU(shape.width, shape.width, shape.layers, batch_first=True)
        self.user = nn.Linear(2 * shape.width, USER_CLASSES)
        self.own = nn.Linear(2 * shape.width, OWN_CLASSES)
        self.eval()  # only training wants dropout, and says so

    def state(self, slots: int) -> Tensor:
        """The state before the first window: [slots, layers, width]"""
        return torch.zeros(slots, self.shape.layers, self.shape.width)

    def step(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One window of B slots: [B, F], [B, layers, width] -> user [B, 6], own [B, 5], state."""
        user, own, state = self(features[:, None], state)
        return user[:, 0], own[:, 0], state

    def forward(self, features: Tensor, state: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Windows in a row: [B, T, F], [B, layers, width] -> logits [B, T, 6], [B, T, 5], state."""
        x = nn.functional.gelu(self.enter((features - self.mean) / self.scale))  # [B, T, width]
        x = nn.functional.dropout(x, ENTER_DROPOUT, self.training)
        remembered, state = self.memory(x, state.transpose(0, 1).contiguous())
        both = torch.cat([x, remembered], -1)  # [B, T, 2 * width]
        both = nn.functional.dropout(both, LEAVE_DROPOUT, self.training)
        user = self.user(both) / self.shape.user_temperature
        own = self.own(both) / self.shape.own_temperature
        return user, own, state.transpose(0, 1)


def save(policy: DuplexPolicy, folder: Path, made: dict[str, float | str]) -> None:
    """Write weights and configuration; `made` says how."""
    folder.mkdir(parents=True, exist_ok=True)
    save_networks(folder / WEIGHTS_FILE, {"policy": policy}, {"made": made})
    config = json.dumps(asdict(policy.shape), indent=2) + "\n"
    (folder / CONFIG_FILE).write_text(config, encoding="utf-8")


def load(folder: Path) -> DuplexPolicy:
    """The policy in a folder, ready to step."""
    policy = DuplexPolicy(_read_shape(folder / CONFIG_FILE))
    load_network(folder / WEIGHTS_FILE, "policy", policy)
    return policy.requires_grad_(False)


def _read_shape(path: Path) -> DuplexShape:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise AssetError(f"cannot read the duplex policy's {path}: {error}") from error
    known = {field.name for field in fields(DuplexShape)}
    if not isinstance(config, dict) or set(config) != known:
        raise AssetError(f"{path} must have exactly the keys {', '.join(sorted(known))}")
    shape = DuplexShape(**config)
    if (shape.features, shape.recipe) != (FEATURES, RECIPE):
        raise AssetError(
            f"{path} is for {shape.features} features of recipe {shape.recipe};"
            f" these are {FEATURES} of recipe {RECIPE}"
        )
    return shape
