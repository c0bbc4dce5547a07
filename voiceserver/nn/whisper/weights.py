"""Whisper's `small.pt` as openai publishes it -> the encoder's weights, checked."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from voiceserver.audio.mel import BANDS
from voiceserver.errors import AssetError
from voiceserver.nn.linear import Int8Linear, quantise
from voiceserver.nn.torch_file import Shape, as_state, check_state, read_torch_file
from voiceserver.nn.whisper.config import WhisperConfig
from voiceserver.nn.whisper.encoder import Affine, EncoderWeights, Layer, Norm, WhisperEncoder

DECODER = "decoder."  # writes text; not used here
POSITIONS = "encoder.positional_embedding"


def load_encoder(
    path: Path,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    int8: bool = False,
) -> WhisperEncoder:
    """The encoder of a checkpoint with `dims` and `model_state_dict`."""
    content = read_torch_file(path)
    if not isinstance(content, dict) or not isinstance(content.get("dims"), dict):
        raise AssetError(f"{path} is not a Whisper checkpoint: it has no dims")
    try:
        config = WhisperConfig.of_dims(content["dims"])
    except KeyError as error:
        raise AssetError(f"{path}: the dims lack {error.args[0]}") from error
    except (TypeError, ValueError, AssertionError) as error:
        raise AssetError(f"{path}: the dims are wrong: {error}") from error
    if config.bands != BANDS:
        raise AssetError(f"{path} hears {config.bands} mel bands; only {BANDS} are supported")
    state = as_state(path, content.get("model_state_dict"))
    check_state(path, state, encoder_shapes(config), ignored=(DECODER,))
    return WhisperEncoder(config, encoder_weights(config, state, device, dtype, int8))


def encoder_shapes(config: WhisperConfig) -> dict[str, Shape]:
    """Every key of the encoder in the checkpoint, with its shape."""
    dim = config.dim
    shapes: dict[str, Shape] = {POSITIONS: (config.positions, dim)}
    shapes["encoder.conv1.weight"], shapes["encoder.conv1.bias"] = (dim, config.bands, 3), (dim,)
    shapes["encoder.conv2.weight"], shapes["encoder.conv2.bias"] = (dim, dim, 3), (dim,)
    squares = ("attn.query", "attn.key", "attn.value", "attn.out")
    for name in (f"encoder.blocks.{index}" for index in range(config.layers)):
        weights = dict.fromkeys(squares, (dim, dim))
        weights |= {"mlp.0": (4 * dim, dim), "mlp.2": (dim, 4 * dim)}
        for part, shape in weights.items():
            shapes[f"{name}.{part}.weight"] = shape
            if part != "attn.key":
                shapes[f"{name}.{part}.bias"] = shape[:1]
        for part in ("attn_ln", "mlp_ln"):
            shapes[f"{name}.{part}.weight"] = shapes[f"{name}.{part}.bias"] = (dim,)
    shapes["encoder.ln_post.weight"] = shapes["encoder.ln_post.bias"] = (dim,)
    return shapes


def encoder_weights(
    config: WhisperConfig,
    state: Mapping[str, Tensor],
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    int8: bool = False,
) -> EncoderWeights:
    """A checked state dict, fused and moved; int8 rounds the layers' products (CPU only)."""

    def tensor(name: str) -> Tensor:
        return state[f"encoder.{name}"].to(device, dtype)

    def norm(name: str) -> Norm:
        return Norm(tensor(f"{name}.weight"), tensor(f"{name}.bias"))

    def affine(weight: Tensor, bias: Tensor) -> Affine:
        if not int8:
            return partial(F.linear, weight=weight, bias=bias)
        product = Int8Linear(*quantise(weight.float()))
        return lambda x: product(x).add_(bias)

    def layer(name: str) -> Layer:
        query, key, value = (f"{name}.attn.{part}" for part in ("query", "key", "value"))
        weight = torch.cat([tensor(f"{part}.weight") for part in (query, key, value)])
        no_bias = torch.zeros(config.dim, device=device, dtype=dtype)  # keys have none
        bias = torch.cat([tensor(f"{query}.bias"), no_bias, tensor(f"{value}.bias")])
        return Layer(
            attention_norm=norm(f"{name}.attn_ln"),
            qkv=affine(weight, bias),
            output=affine(tensor(f"{name}.attn.out.weight"), tensor(f"{name}.attn.out.bias")),
            mlp_norm=norm(f"{name}.mlp_ln"),
            up=affine(tensor(f"{name}.mlp.0.weight"), tensor(f"{name}.mlp.0.bias")),
            down=affine(tensor(f"{name}.mlp.2.weight"), tensor(f"{name}.mlp.2.bias")),
        )

    return EncoderWeights(
        convolutions=(
            (tensor("conv1.weight"), tensor("conv1.bias")),
            (tensor("conv2.weight"), tensor("conv2.bias")),
        ),
        positions=tensor("positional_embedding"),
        layers=tuple(layer(f"blocks.{index}") for index in range(config.layers)),
        norm=norm("ln_post"),
    )
