"""Whisper out of a CTranslate2 folder, in openai's layout.

A model.bin is a list of named arrays behind a short header. Only what a half or single precision
Whisper holds is understood.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from dataclasses import dataclass
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
_OUTSIDE = {  # the layers
    "position_encodings/encodings": "positional_embedding",
    "embeddings/weight": "token_embedding.weight",
}
_LAST_NORM = {"encoder": "ln_post", "decoder": "ln"}
_PLACES = {
    "self_attention/linear_1": "attn.out",
    "self_attention/layer_norm": "attn_ln",
    "attention/linear_0": "cross_attn.query",
    "attention/linear_2": "cross_attn.out",
    "attention/layer_norm": "cross_attn_ln",
    "ffn/linear_0": "mlp.0",
    "ffn/linear_1": "mlp.2",
    "ffn/layer_norm": "mlp_ln",
}
_FUSED = {
    "self_attention/linear_0": ("attn.query", "attn.key", "attn.value"),
    "attention/linear_1": ("cross_attn.key", "cross_attn.value"),
}


@dataclass(frozen=True)
class Suppressed:
    """Tokens that are never written, and those that no text begins with."""

    always: tuple[int, ...]
    first: tuple[int, ...]


def openai_checkpoint(folder: Path) -> dict[str, Any]:
    """What `tiny.en.pt` would hold of this model: `dims` and `model_state_dict`."""
    arrays = read_arrays(folder / "model.bin")
    state = dict(_openai_state(arrays))
    vocabulary, text_dim = state["decoder.token_embedding.weight"].shape
    positions, dim = state["encoder.positional_embedding"].shape
    dims = {
        "n_mels": state["encoder.conv1.weight"].shape[1],
        "n_audio_ctx": positions,
        "n_audio_state": dim,
        "n_audio_head": int(arrays["encoder/num_heads"]),
        "n_audio_layer": _layers(state, "encoder"),
        "n_vocab": vocabulary,
        "n_text_ctx": len(state["decoder.positional_embedding"]),
        "n_text_state": text_dim,
        "n_text_head": int(arrays["decoder/num_heads"]),
        "n_text_layer": _layers(state, "decoder"),
    }
    return {"dims": dims, "model_state_dict": state}


def suppressed(folder: Path) -> Suppressed:
    """What the folder's config.json says of tokens that are no speech."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text("utf-8"))
        return Suppressed(*(tuple(map(int, config[f"suppress_ids{s}"])) for s in ("", "_begin")))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise AssetError(f"{path} does not tell what a decoder may not write: {error}") from error


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
    return name, np.frombuffer(bytearray(file.read(size_bytes)), kind).reshape(shape)


def _number(file: BinaryIO, code: str) -> int:
    (value,) = struct.unpack(f"<{code}", file.read(struct.calcsize(code)))
    return int(value)


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H")).rstrip(b"\0").decode()


def _layers(state: dict[str, Tensor], half: str) -> int:
    return sum(key.startswith(half) and key.endswith(".attn.out.weight") for key in state)


def _openai_state(arrays: dict[str, NDArray[Any]]) -> Iterable[tuple[str, Tensor]]:
    for name, array in arrays.items():
        half, _, rest = name.partition("/")
        if half in _LAST_NORM and array.ndim:
            for key, value in _renamed(half, rest, torch.from_numpy(array)):
                yield f"{half}.{key}", value


def _renamed(half: str, name: str, value: Tensor) -> list[tuple[str, Tensor]]:
    """One array under openai's names; a fused projection is several."""
    if name in _OUTSIDE:
        return [(_OUTSIDE[name], value)]
    place, part = name.rsplit("/", 1)
    part = _NORM.get(part, part)
    if not place.startswith("layer_") or place == "layer_norm":  # conv1, conv2, the last norm
        return [(f"{place.replace('layer_norm', _LAST_NORM[half])}.{part}", value)]
    layer, place = place.removeprefix("layer_").split("/", 1)
    whole = _FUSED.get(place)
    if whole is None:
        return [(f"blocks.{layer}.{_PLACES[place]}.{part}", value)]
    split = zip(whole, value.chunk(len(whole)), strict=True)
    # Keys have no bias; CTranslate2 stores zeros.
    found = [(name, v) for name, v in split if part == "weight" or not name.endswith("key")]
    return [(f"blocks.{layer}.{name}.{part}", v) for name, v in found]
