"""A published state dict, checked key by key and laid out as the network multiplies it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import torch
from torch import Tensor

from voiceserver.errors import AssetError
from voiceserver.nn.linear import FloatLinear, Linear, rounded
from voiceserver.nn.mini_omni.config import MiniOmniConfig
from voiceserver.nn.mini_omni.vocabulary import TEXT_VOCABULARY, VOCABULARY
from voiceserver.nn.trunk import Layer

HEAD, TABLE = "lm_head.weight", "transformer.wte.weight"
MOST_NAMED = 8  # keys of a kind that an error names


@dataclass(frozen=True)
class Weights:
    table: Tensor  # [V, D]
    layers: tuple[Layer, ...]
    norm: Tensor  # [D]
    text_head: Linear  # D -> 152,000
    audio_head: Linear  # D -> 7 x 4,160
    adapter_gate_up: Linear  # whisper -> 2 hidden
    adapter_down: Linear  # hidden -> D


def shapes(config: MiniOmniConfig) -> dict[str, tuple[int, ...]]:
    """Every key of the checkpoint and its shape."""
    dim, hidden, whisper = config.model_dim, config.hidden_dim, config.whisper_dim
    found: dict[str, tuple[int, ...]] = {
        HEAD: (VOCABULARY, dim),
        TABLE: (VOCABULARY, dim),
        "transformer.ln_f.weight": (dim,),
        "whisper_adapter.fc_1.weight": (hidden, whisper),
        "whisper_adapter.fc_2.weight": (hidden, whisper),
        "whisper_adapter.proj.weight": (dim, hidden),
    }
    for index in range(config.layers):
        name = f"transformer.h.{index}"
        found |= {
            f"{name}.norm_1.weight": (dim,),
            f"{name}.attn.attn.weight": (config.qkv_dim, dim),
            f"{name}.attn.attn.bias": (config.qkv_dim,),
            f"{name}.attn.proj.weight": (dim, config.attention_dim),
            f"{name}.norm_2.weight": (dim,),
            f"{name}.mlp.fc_1.weight": (hidden, dim),
            f"{name}.mlp.fc_2.weight": (hidden, dim),
            f"{name}.mlp.proj.weight": (dim, hidden),
        }
    return found


def check(config: MiniOmniConfig, state: Mapping[str, Tensor]) -> None:
    """Raise one `AssetError` that names all missing, surplus and misshapen keys."""
    if any("post_adapter" in key for key in state):
        raise AssetError("these weights have a TTS adapter (post_adapter), which is not supported")
    expected = shapes(config)
    # Mini-Omni2's vision adapter is not used; a tied head need not be there twice.
    given = {key for key in state if not key.startswith("vision_adapter.")}
    wrong = [
        f"{key} is {tuple(state[key].shape)}, not {shape}"
        for key, shape in expected.items()
        if key in state and tuple(state[key].shape) != shape
    ]
    faults = {
        "missing": sorted(expected.keys() - given - {HEAD}),
        "not known": sorted(given - expected.keys()),
        "misshapen": wrong,
    }
    told = [f"{kind}: {_listed(keys)}" for kind, keys in faults.items() if keys]
    if told:
        raise AssetError(f"the weights do not fit Mini-Omni; {'; '.join(told)}")


def assemble(
    config: MiniOmniConfig,
    state: Mapping[str, Tensor],
    device: torch.device,
    dtype: torch.dtype,
    int8: bool,
) -> Weights:
    """The network's weights from a checked state dict; `int8` rounds all products' weights."""

    def tensor(key: str) -> Tensor:
        return state[key].to(device, dtype)

    def linear(*tensors: Tensor) -> Linear:
        weight = torch.cat(tensors) if len(tensors) > 1 else tensors[0]
        return rounded(weight.float()) if int8 else FloatLinear(weight)

    def layer(index: int) -> Layer:
        return _layer(config, index, tensor, linear)

    table = tensor(TABLE)
    head = table if _is_tied(state) else tensor(HEAD)
    with ThreadPoolExecutor(2) as pool:  # packing int8 takes seconds, and needs no Python
        layers = tuple(pool.map(layer, range(config.layers)))
    return Weights(
        table=table,
        layers=layers,
        norm=tensor("transformer.ln_f.weight"),
        text_head=linear(head[:TEXT_VOCABULARY]),
        audio_head=linear(head[TEXT_VOCABULARY:]),
        adapter_gate_up=linear(
            tensor("whisper_adapter.fc_1.weight"), tensor("whisper_adapter.fc_2.weight")
        ),
        adapter_down=linear(tensor("whisper_adapter.proj.weight")),
    )


def _layer(
    config: MiniOmniConfig,
    index: int,
    tensor: Callable[[str], Tensor],
    linear: Callable[..., Linear],
) -> Layer:
    name = f"transformer.h.{index}"
    order = _split_order(config, tensor(f"{name}.attn.attn.bias").device)
    return Layer(
        attention_norm=tensor(f"{name}.norm_1.weight"),
        qkv=linear(tensor(f"{name}.attn.attn.weight")[order]),
        qkv_bias=tensor(f"{name}.attn.attn.bias")[order],
        output=linear(tensor(f"{name}.attn.proj.weight")),
        mlp_norm=tensor(f"{name}.norm_2.weight"),
        gate_up=linear(tensor(f"{name}.mlp.fc_1.weight"), tensor(f"{name}.mlp.fc_2.weight")),
        down=linear(tensor(f"{name}.mlp.proj.weight")),
    )


def _split_order(config: MiniOmniConfig, device: torch.device) -> Tensor:
    """Rows of the published projection, which lie head by head within each group of queries, one
    key and one value, in the order all queries, all keys, all values: [(H + 2 Hkv) d]"""
    groups, queries = config.kv_heads, config.heads // config.kv_heads
    rows = torch.arange(config.qkv_dim, device=device)
    grouped = rows.view(groups, queries + 2, config.head_dim)
    parts = torch.split(grouped, [queries, 1, 1], dim=1)
    return torch.cat([part.reshape(-1) for part in parts])


def _is_tied(state: Mapping[str, Tensor]) -> bool:
    """Whether the head is the table; the yaml's word for it is not trusted."""
    if HEAD not in state:
        return True
    head, table = state[HEAD], state[TABLE]
    return head.data_ptr() == table.data_ptr() or torch.equal(head, table)


def _listed(keys: list[str]) -> str:
    more = f" and {len(keys) - MOST_NAMED} more" if len(keys) > MOST_NAMED else ""
    return ", ".join(keys[:MOST_NAMED]) + more
