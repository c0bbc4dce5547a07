"""A Hugging Face Llama folder: its shape and its tensors, checked name by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from voiceserver.errors import AssetError
from voiceserver.nn.linear import FloatLinear, Linear, rounded
from voiceserver.nn.sync_llm.config import LlamaShape
from voiceserver.nn.torch_file import check_state
from voiceserver.nn.trunk import Layer

CONFIG, WHOLE, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
TABLE, HEAD, NORM = "model.embed_tokens.weight", "lm_head.weight", "model.norm.weight"
NOT_WEIGHTS = "rotary_emb.inv_freq"  # old folders hold what follows from the config


def read_json(path: Path) -> dict[str, Any]:
    """The fields of a JSON file, or one line on what is wrong with it."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise AssetError(f"{path} is missing") from error
    except (OSError, ValueError) as error:
        raise AssetError(f"{path} is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise AssetError(f"{path} holds no fields")
    return fields


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a file, memory-mapped."""
    if not path.is_file():
        raise AssetError(f"{path} is missing")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise AssetError(f"{path} is damaged or not complete ({error})") from error


def read_folder(folder: Path) -> tuple[LlamaShape, dict[str, Tensor]]:
    """The shape and the tensors of a Llama; in one file or in shards with an index."""
    try:
        shape = LlamaShape.from_json(read_json(folder / CONFIG))
    except AssetError as error:
        raise AssetError(f"{folder}: {error}") from error
    if (folder / INDEX).is_file():
        shards = sorted(set(read_json(folder / INDEX).get("weight_map", {}).values()))
        if any(Path(shard).name != shard for shard in shards):
            raise AssetError(f"{folder / INDEX} names files outside its folder")
        state = {k: t for shard in shards for k, t in read_safetensors(folder / shard).items()}
    else:
        state = read_safetensors(folder / WHOLE)
    state = {key: tensor for key, tensor in state.items() if not key.endswith(NOT_WEIGHTS)}
    expected = shapes(shape)
    if HEAD not in state:  # tied
        del expected[HEAD]
    check_state(folder, state, expected)
    return shape, state


def shapes(shape: LlamaShape) -> dict[str, tuple[int, ...]]:
    """Every tensor of the checkpoint."""
    dim, hidden, vocabulary = shape.model_dim, shape.hidden_dim, shape.vocabulary
    attention, kv = shape.attention_dim, shape.kv_heads * shape.head_dim
    found: dict[str, tuple[int, ...]] = {
        TABLE: (vocabulary, dim),
        HEAD: (vocabulary, dim),
        NORM: (dim,),
    }
    for index in range(shape.layers):
        name = f"model.layers.{index}"
        found |= {
            f"{name}.input_layernorm.weight": (dim,),
            f"{name}.self_attn.q_proj.weight": (attention, dim),
            f"{name}.self_attn.k_proj.weight": (kv, dim),
            f"{name}.self_attn.v_proj.weight": (kv, dim),
            f"{name}.self_attn.o_proj.weight": (dim, attention),
            f"{name}.post_attention_layernorm.weight": (dim,),
            f"{name}.mlp.gate_proj.weight": (hidden, dim),
            f"{name}.mlp.up_proj.weight": (hidden, dim),
            f"{name}.mlp.down_proj.weight": (dim, hidden),
        }
    return found


def layers(
    shape: LlamaShape,
    state: Mapping[str, Tensor],
    device: torch.device,
    dtype: torch.dtype,
    int8: bool,
) -> tuple[Layer, ...]:
    """All layers, as they are multiplied."""
    linear = linear_maker(state, device, dtype, int8)

    def tensor(key: str) -> Tensor:
        return state[key].to(device, dtype)

    def layer(index: int) -> Layer:
        name = f"model.layers.{index}"
        attention, mlp = f"{name}.self_attn", f"{name}.mlp"
        return Layer(
            attention_norm=tensor(f"{name}.input_layernorm.weight"),
            qkv=linear(*(f"{attention}.{part}_proj.weight" for part in "qkv")),
            qkv_bias=torch.zeros(shape.qkv_dim, device=device, dtype=dtype),
            output=linear(f"{attention}.o_proj.weight"),
            mlp_norm=tensor(f"{name}.post_attention_layernorm.weight"),
            gate_up=linear(f"{mlp}.gate_proj.weight", f"{mlp}.up_proj.weight"),
            down=linear(f"{mlp}.down_proj.weight"),
        )

    with ThreadPoolExecutor(2) as pool:  # packing int8 takes seconds, and needs no Python
        return tuple(pool.map(layer, range(shape.layers)))


def linear_maker(
    state: Mapping[str, Tensor], device: torch.device, dtype: torch.dtype, int8: bool
) -> Callable[..., Linear]:
    """Makes one product of the tensors of these names, one below the other."""

    def linear(*keys: str) -> Linear:
        weight = torch.cat([state[key] for key in keys]) if len(keys) > 1 else state[keys[0]]
        return rounded(weight.float()) if int8 else FloatLinear(weight.to(device, dtype))

    return linear
