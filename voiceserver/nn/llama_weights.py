"""Llama weights from a GGUF file, converted once to a safetensors file that loads quickly.

The converted file holds int8 projections with their scales, the embedding in float16 and the norms
in float32, beside a tokenizer.json; both are keyed by the GGUF file's size and this module's
version.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from voiceserver.errors import AssetError
from voiceserver.nn.linear import FloatLinear, Int8Linear, Linear, quantise
from voiceserver.nn.llama import LlamaConfig, LlamaLayer, LlamaWeights

FORMAT_VERSION = 4
PROJECTIONS = ("qkv", "output", "gate_up", "down")


def load(gguf_file: Path, cache: Path) -> tuple[LlamaConfig, LlamaWeights, Path]:
    """The int8 model and the path of its tokenizer, converting into `cache` when not yet there."""
    folder = cache / f"{gguf_file.stem}-{_identity(gguf_file)}"
    converted = folder / "llama-int8.safetensors"
    if not converted.is_file():
        convert(gguf_file, folder)
    with safe_open(converted, framework="pt") as file:
        config = LlamaConfig(**json.loads(file.metadata()["config"]))
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    return config, _assemble(config, tensors), folder / "tokenizer.json"


def convert(gguf_file: Path, folder: Path) -> None:
    """Write the int8 weights and the tokenizer of a GGUF Llama into `folder`."""
    from voiceserver.nn.llama_tokenizer import tokenizer_from_gguf

    config, floats = read_gguf(gguf_file)
    tensors: dict[str, Tensor] = {}
    for name, weight in floats.items():
        if name == "embedding":
            tensors[name] = weight.to(torch.float16)
        if name == "head" or name.split(".")[-1] in PROJECTIONS:
            tensors[name], tensors[f"{name}.scale"] = quantise(weight)
        elif name != "embedding":
            tensors[name] = weight
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer_from_gguf(gguf_file).save(str(folder / "tokenizer.json"))
    # Written beside and renamed: a killed conversion leaves no half file behind.
    partial = folder / f"partial-{os.getpid()}"
    save_file(tensors, partial, metadata={"config": json.dumps(asdict(config))})
    partial.rename(folder / "llama-int8.safetensors")


def read_gguf(gguf_file: Path) -> tuple[LlamaConfig, dict[str, Tensor]]:
    """The configuration and all weights in float32, projections fused as `LlamaLayer` has them."""
    import gguf  # half a second to import, and only a first start needs it

    try:
        reader = gguf.GGUFReader(str(gguf_file))
        config = _config(reader)
        raw = {t.name: _dequantised(gguf, t) for t in reader.tensors}
        return config, _fused(config, raw)
    except (ValueError, KeyError, OSError) as error:
        raise AssetError(f"{gguf_file} is not a Llama in GGUF: {error}") from error


def float_weights(gguf_file: Path) -> tuple[LlamaConfig, LlamaWeights]:
    """The unrounded model, which the int8 one is measured against."""
    config, tensors = read_gguf(gguf_file)
    return config, _assemble(config, tensors)


def _identity(gguf_file: Path) -> str:
    return f"{gguf_file.stat().st_size}-v{FORMAT_VERSION}"


def _assemble(config: LlamaConfig, tensors: dict[str, Tensor]) -> LlamaWeights:
    def linear(name: str) -> Linear:
        weight = tensors[name]
        if weight.dtype == torch.int8:
            return Int8Linear(weight, tensors[f"{name}.scale"])
        return FloatLinear(weight)

    def layer(index: int) -> LlamaLayer:
        name = f"layers.{index}"
        return LlamaLayer(
            attention_norm=tensors[f"{name}.attention_norm"],
            qkv=linear(f"{name}.qkv"),
            output=linear(f"{name}.output"),
            mlp_norm=tensors[f"{name}.mlp_norm"],
            gate_up=linear(f"{name}.gate_up"),
            down=linear(f"{name}.down"),
        )

    with ThreadPoolExecutor(2) as pool:  # packing int8 takes a second, and needs no Python
        layers = tuple(pool.map(layer, range(config.layers)))
    return LlamaWeights(tensors["embedding"], layers, tensors["norm"], linear("head"))


def _config(reader: Any) -> LlamaConfig:
    def field(name: str) -> Any:
        return reader.fields[f"llama.{name}"].contents()

    return LlamaConfig(
        layers=field("block_count"),
        model_dim=field("embedding_length"),
        hidden_dim=field("feed_forward_length"),
        heads=field("attention.head_count"),
        kv_heads=field("attention.head_count_kv"),
        vocabulary=len(reader.fields["tokenizer.ggml.tokens"].data),
        rope_base=field("rope.freq_base"),
        norm_epsilon=field("attention.layer_norm_rms_epsilon"),
    )


def _dequantised(gguf: Any, tensor: Any) -> Tensor:
    values = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    return torch.from_numpy(np.array(values, dtype=np.float32))


def _fused(config: LlamaConfig, raw: dict[str, Tensor]) -> dict[str, Tensor]:
    fused = {
        "embedding": raw["token_embd.weight"],
        "norm": raw["output_norm.weight"],
        "head": raw.get("output.weight", raw["token_embd.weight"]),
    }
    for index in range(config.layers):
        block, layer = f"blk.{index}", f"layers.{index}"
        query = raw[f"{block}.attn_q.weight"] * config.head_dim**-0.5
        qkv = [query, raw[f"{block}.attn_k.weight"], raw[f"{block}.attn_v.weight"]]
        fused[f"{layer}.qkv"] = torch.cat(qkv)
        gate_up = [raw[f"{block}.ffn_gate.weight"], raw[f"{block}.ffn_up.weight"]]
        fused[f"{layer}.gate_up"] = torch.cat(gate_up)
        fused[f"{layer}.output"] = raw[f"{block}.attn_output.weight"]
        fused[f"{layer}.down"] = raw[f"{block}.ffn_down.weight"]
        fused[f"{layer}.attention_norm"] = raw[f"{block}.attn_norm.weight"]
        fused[f"{layer}.mlp_norm"] = raw[f"{block}.ffn_norm.weight"]
    return fused
