"""Networks <-> safetensors files: half-precision weights, shape and provenance in the metadata."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from voiceserver.errors import AssetError

CODEC_FILE = "codec.safetensors"  # the codec and the vocoder
TALKER_FILE = "talker.safetensors"


def save_networks(
    path: Path, networks: Mapping[str, nn.Module], metadata: Mapping[str, Any]
) -> None:
    """All parameters and buffers as float16, named "<network>.<parameter>"."""
    weights = {
        f"{name}.{key}": tensor.detach().cpu().half().contiguous()
        for name, network in networks.items()
        for key, tensor in network.state_dict().items()
    }
    partial = path.with_suffix(".partial")
    save_file(weights, partial, {key: json.dumps(value) for key, value in metadata.items()})
    partial.chmod(0o644)  # the library writes for the owner alone
    partial.rename(path)


def read_metadata(path: Path) -> dict[str, Any]:
    with _opened(path) as file:
        return {key: json.loads(value) for key, value in (file.metadata() or {}).items()}


def load_network(path: Path, name: str, network: nn.Module) -> None:
    """Fill a network built to the right shape, in its own precision."""
    prefix = f"{name}."
    with _opened(path) as file:
        names = [key for key in file.keys() if key.startswith(prefix)]  # noqa: SIM118
        weights = {key.removeprefix(prefix): file.get_tensor(key) for key in names}
    try:
        network.load_state_dict({key: tensor.to(torch.float32) for key, tensor in weights.items()})
    except RuntimeError as error:
        raise AssetError(f"{path} does not fit the {name}: {error}") from error
    network.eval()


def _opened(path: Path) -> Any:
    try:
        return safe_open(path, "pt")
    except (OSError, SafetensorError) as error:
        raise AssetError(f"cannot read the weights {path}: {error}") from error
