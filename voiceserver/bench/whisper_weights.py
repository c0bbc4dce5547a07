"""Whisper's encoder out of a CTranslate2 folder, in openai's layout: real weights to measure on.

A model.bin is a list of named arrays behind a short header. Only what a half or single precision
Whisper holds is understood.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from voiceserver.errors import AssetError

VERSION = 6
_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_NORM = {"gamma": "weight", "beta": "bias"}
_LINEAR = {
    "self_attention/linear_1": "attn.out",
    "ffn/linear_0": "mlp.0",
    "ffn/linear_1": "mlp.2",
    "self_attention/layer_norm": "attn_ln",
    "ffn/layer_norm": "mlp_ln",
}


def openai_checkpoint(folder: Path) -> dict[str, Any]:
    """What `small.pt` would hold of this model: `dims` of the encoder, `model_state_dict`."""
    arrays = read_arrays(folder / "model.bin")
    state = _encoder_state(arrays)
    positions, dim = state["encoder.positional_embedding"].shape
    dims = {
        "n_mels": state["encoder.conv1.weight"].shape[1],
        "n_audio_ctx": positions,
        "n_audio_state": dim,
        "n_audio_head": int(arrays["encoder/num_heads"]),
        "n_audio_layer": sum(key.endswith("attn.out.weight") for key in state),
    }
    return {"dims": dims, "model_state_dict": state}


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Every array of a CTranslate2 model by name."""
    with path.open("rb") as file:
        version, kind = _number(file, "I"), _text(file)
        if (version, kind) != (VERSION, "WhisperSpec"):
            raise AssetError(f"{path} is a {kind} of version {version}, not a Whisper of {VERSION}")
        _number(file, "I")  # the specification's revision
        return dict(_array(file) for _ in range(_number(file, "I")))


def _array(file: BinaryIO) -> tuple[str, NDArray[Any]]:
    name, rank = _text(file), _number(file, "B")
    shape = tuple(_number(file, "I") for _ in range(rank))
    kind, size_bytes = _TYPES[_number(file, "B")], _number(file, "I")
    return name, np.frombuffer(file.read(size_bytes), kind).reshape(shape)


def _number(file: BinaryIO, code: str) -> int:
    (value,) = struct.unpack(f"<{code}", file.read(struct.calcsize(code)))
    return int(value)


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H")).rstrip(b"\0").decode()


def _encoder_state(arrays: dict[str, NDArray[Any]]) -> dict[str, Tensor]:
    state: dict[str, Tensor] = {}
    for name, array in arrays.items():
        if name.startswith("encoder/") and array.ndim:
            for key, value in _renamed(name.removeprefix("encoder/"), torch.tensor(array)):
                state[f"encoder.{key}"] = value.float()
    return state


def _renamed(name: str, value: Tensor) -> list[tuple[str, Tensor]]:
    """One array under openai's names; the fused projections are three."""
    if name == "position_encodings/encodings":
        return [("positional_embedding", value)]
    place, part = name.rsplit("/", 1)
    if not place.startswith("layer_") or place == "layer_norm":  # conv1, conv2, the last norm
        return [(f"{place.replace('layer_norm', 'ln_post')}.{_NORM.get(part, part)}", value)]
    layer, place = place.removeprefix("layer_").split("/", 1)
    block = f"blocks.{layer}"
    if place != "self_attention/linear_0":
        return [(f"{block}.{_LINEAR[place]}.{_NORM.get(part, part)}", value)]
    query, key, rest = value.chunk(3)
    found = {"query": query, "key": key, "value": rest}
    if part == "bias":
        del found["key"]  # it has none; CTranslate2 stores zeros
    return [(f"{block}.attn.{which}.{part}", tensor) for which, tensor in found.items()]
