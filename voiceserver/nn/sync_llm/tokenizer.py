"""Sound to units: HuBERT's features every 40 ms, and which of the 501 units each is nearest to.

HuBERT looks to both sides without end. Live, only what has been said is there: a chunk is read with
CONTEXT_UNITS before it and silence after it, so its last features know less than they would in a
whole recording. The grid is the whole recording's: unit i stands for samples 640 i to 640 i + 639.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor
from torch.nn import functional as F

from voiceserver.errors import AssetError
from voiceserver.nn.sync_llm.chunks import UNIT_SAMPLES
from voiceserver.nn.sync_llm.weights import read_json
from voiceserver.nn.torch_file import as_state, read_torch_file

CENTROIDS, QUANTISER = "centroids.npy", "quantizer.pt"
CONTEXT_UNITS = 50  # 2 s: enough for words, and a bounded amount of work a chunk


class Centroids:
    """k-means: the nearest of the centres."""

    def __init__(self, centres: Tensor) -> None:
        self._centres = centres.float()  # [K, D]
        self._squares = self._centres.square().sum(1)

    def __call__(self, features: Tensor) -> Tensor:
        """[..., D] -> [...]"""
        return (self._squares - 2.0 * features.float() @ self._centres.T).argmin(-1)

    @property
    def units(self) -> int:
        return len(self._centres)


class LinearQuantiser:
    """SpiRit-LM's: three layers to logits of the units and of a blank; a blank repeats the unit
    before it."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        self._layers = [
            (state[f"{place}.weight"].float(), state[f"{place}.bias"].float())
            for place in (0, 2, 4)
        ]

    def __call__(self, features: Tensor) -> Tensor:
        """[B, T, D] -> [B, T]"""
        x = features.float()
        for index, (weight, bias) in enumerate(self._layers):
            x = F.linear(F.leaky_relu(x) if index else x, weight, bias)
        codes = x.argmax(-1)
        places = torch.arange(codes.shape[-1], device=codes.device).expand_as(codes)
        # The newest place that is no blank; blanks at the very beginning take the first unit's.
        newest = places.masked_fill(codes == self.units, -1).cummax(-1).values
        first = (codes != self.units).int().argmax(-1, keepdim=True)
        codes = codes.gather(-1, torch.where(newest < 0, first, newest))
        return codes.clamp_max(self.units - 1)  # where nothing but blanks was found

    @property
    def units(self) -> int:
        return len(self._layers[-1][1]) - 1


Quantiser = Centroids | LinearQuantiser


class HubertUnits:
    """transformers' HubertModel up to one layer, and a quantiser of its features."""

    def __init__(self, model: Any, layer: int, quantiser: Quantiser, normalise: bool) -> None:
        self._model, self._layer, self._normalise = model, layer, normalise
        self._quantiser = quantiser
        self.units = quantiser.units
        strides = zip(model.config.conv_kernel, model.config.conv_stride, strict=True)
        hop = receptive = 1
        for kernel, stride in strides:
            receptive += (kernel - 1) * hop
            hop *= stride
        if hop != UNIT_SAMPLES:
            raise AssetError(f"HuBERT has a feature every {hop} samples, not {UNIT_SAMPLES}")
        self._overhang = receptive - hop  # samples after its own that a feature needs
        if not 0 < layer <= len(model.encoder.layers):
            raise AssetError(f"HuBERT has {len(model.encoder.layers)} layers, not {layer}")

    @classmethod
    def load(cls, folder: Path, layer: int, normalise: bool, device: torch.device) -> HubertUnits:
        """A folder of transformers' HubertModel, with centroids.npy or quantizer.pt in it."""
        from transformers import HubertModel
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        if read_json(folder / "config.json").get("model_type") != "hubert":
            raise AssetError(f"{folder / 'config.json'} is not of a HuBERT")
        try:
            loaded: Any = HubertModel.from_pretrained(
                folder, local_files_only=True, use_safetensors=True, output_loading_info=True
            )
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise AssetError(f"{folder}: {str(error).splitlines()[0]}") from error
        model, report = loaded
        if missing := sorted(report["missing_keys"]):
            raise AssetError(f"{folder} lacks {', '.join(missing[:4])}")
        model = model.eval().to(device)
        quantiser = read_quantiser(folder, model.config.hidden_size, device)
        return cls(model, layer, quantiser, normalise)

    @torch.inference_mode()
    def __call__(self, windows: Tensor) -> Tensor:
        """windows: [B, T], T a multiple of UNIT_SAMPLES -> units [B, T / UNIT_SAMPLES]"""
        x = windows.to(self._model.device)
        if self._normalise:
            x = F.layer_norm(x, x.shape[-1:])
        x = F.pad(x, (0, self._overhang))
        features = self._model(x, output_hidden_states=True).hidden_states[self._layer]
        units: Tensor = self._quantiser(features)
        return units


def read_quantiser(folder: Path, dim: int, device: torch.device) -> Quantiser:
    """centroids.npy, [units, dim], or SpiRit-LM's quantizer.pt."""
    path = folder / CENTROIDS
    if path.is_file():
        try:
            centres = np.load(path, allow_pickle=False)
        except (OSError, ValueError) as error:
            raise AssetError(f"{path} is no array: {error}") from error
        if centres.ndim != 2 or centres.shape[1] != dim:
            raise AssetError(f"{path} is {centres.shape}, not (units, {dim})")
        return Centroids(torch.from_numpy(centres).to(device))
    path = folder / QUANTISER
    if not path.is_file():
        raise AssetError(f"{folder} lacks {CENTROIDS} or {QUANTISER}")
    content = read_torch_file(path)
    if not isinstance(content, dict) or "model_weight" not in content:
        raise AssetError(f"{path} has no model_weight")
    state = as_state(path, content["model_weight"])
    state = {key.removeprefix("encoder."): tensor.to(device) for key, tensor in state.items()}
    wanted = {f"{place}.{kind}" for place in (0, 2, 4) for kind in ("weight", "bias")}
    if set(state) != wanted or state["0.weight"].shape[1] != dim:
        raise AssetError(f"{path} is not a quantiser of {dim} numbers in three layers")
    return LinearQuantiser(state)
