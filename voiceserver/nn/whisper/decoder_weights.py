"""Whisper's text decoder out of a checkpoint in openai's layout, its products rounded to int8."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from voiceserver.errors import AssetError
from voiceserver.nn.linear import FloatLinear, Linear, rounded
from voiceserver.nn.torch_file import Shape, check_state
from voiceserver.nn.whisper.ctranslate2_file import openai_checkpoint
from voiceserver.nn.whisper.decoder import (
    DecoderConfig,
    DecoderLayer,
    DecoderWeights,
    WhisperDecoder,
)
from voiceserver.nn.whisper.encoder import Affine, Norm

ENCODER = "encoder."  # hears; not used here
MASK = "decoder.mask"  # some checkpoints keep the causal mask
EMBEDDING = "decoder.token_embedding.weight"
POSITIONS = "decoder.positional_embedding"

Product = Callable[[Tensor], Linear]  # of a weight [out, in]


def load_decoder(folder: Path) -> WhisperDecoder:
    """The decoder of a CTranslate2 folder, in int8."""
    return decoder_of(folder, openai_checkpoint(folder), rounded)


def decoder_of(
    path: Path, checkpoint: Mapping[str, Any], product: Product = FloatLinear
) -> WhisperDecoder:
    """The decoder of a checkpoint with `dims` and `model_state_dict`, said to be at `path`."""
    dims, state = checkpoint["dims"], checkpoint["model_state_dict"]
    try:
        names = ("n_vocab", "n_text_ctx", "n_text_state", "n_text_head", "n_text_layer")
        config = DecoderConfig(*(int(dims[name]) for name in names))
    except (KeyError, TypeError, ValueError) as error:
        raise AssetError(f"{path}: the dims do not describe a decoder: {error}") from error
    check_state(path, state, decoder_shapes(config), ignored=(ENCODER, MASK))
    return WhisperDecoder(config, _weights(config, state, product))


def decoder_shapes(config: DecoderConfig) -> dict[str, Shape]:
    """Every key of the decoder in the checkpoint, with its shape."""
    dim = config.dim
    shapes: dict[str, Shape] = {
        EMBEDDING: (config.vocabulary, dim),
        POSITIONS: (config.positions, dim),
        "decoder.ln.weight": (dim,),
        "decoder.ln.bias": (dim,),
    }
    for name in (f"decoder.blocks.{index}" for index in range(config.layers)):
        weights: dict[str, Shape] = {"mlp.0": (4 * dim, dim), "mlp.2": (dim, 4 * dim)}
        for attention in ("attn", "cross_attn"):
            for part in ("query", "key", "value", "out"):
                weights[f"{attention}.{part}"] = (dim, dim)
        for part, shape in weights.items():
            shapes[f"{name}.{part}.weight"] = shape
            if not part.endswith("key"):
                shapes[f"{name}.{part}.bias"] = shape[:1]
        for part in ("attn_ln", "cross_attn_ln", "mlp_ln"):
            shapes[f"{name}.{part}.weight"] = shapes[f"{name}.{part}.bias"] = (dim,)
    return shapes


def _weights(
    config: DecoderConfig, state: Mapping[str, Tensor], product: Product
) -> DecoderWeights:
    """A checked state dict, fused."""

    def tensor(name: str) -> Tensor:
        return state[f"decoder.{name}"].float()

    def norm(name: str) -> Norm:
        return Norm(tensor(f"{name}.weight"), tensor(f"{name}.bias"))

    def affine(*names: str) -> Affine:
        weights, biases = zip(*(part(name) for name in names), strict=True)
        return with_bias(product(torch.cat(weights)), torch.cat(biases))

    def part(name: str) -> tuple[Tensor, Tensor]:
        weight = tensor(f"{name}.weight")
        if name.endswith("key"):
            return weight, torch.zeros(config.dim)
        scale = config.head_dim**-0.5 if name.endswith("query") else 1.0
        return weight * scale, tensor(f"{name}.bias") * scale

    def layer(name: str) -> DecoderLayer:
        return DecoderLayer(
            attention_norm=norm(f"{name}.attn_ln"),
            qkv=affine(*(f"{name}.attn.{part}" for part in ("query", "key", "value"))),
            output=affine(f"{name}.attn.out"),
            cross_norm=norm(f"{name}.cross_attn_ln"),
            cross_query=affine(f"{name}.cross_attn.query"),
            cross_keys_values=affine(f"{name}.cross_attn.key", f"{name}.cross_attn.value"),
            cross_output=affine(f"{name}.cross_attn.out"),
            mlp_norm=norm(f"{name}.mlp_ln"),
            up=affine(f"{name}.mlp.0"),
            down=affine(f"{name}.mlp.2"),
        )

    return DecoderWeights(
        embedding=state[EMBEDDING],
        positions=tensor("positional_embedding"),
        layers=tuple(layer(f"blocks.{index}") for index in range(config.layers)),
        norm=norm("ln"),
        head=product(tensor("token_embedding.weight")),
    )


def with_bias(product: Linear, bias: Tensor) -> Affine:
    """A product to whose result a bias is added."""
    return lambda x: product(x).add_(bias)
