"""A published SNAC state dict -> the decoder's weights, laid out as its steps use them.

Weight normalisation is multiplied out; every convolution becomes the matrix that a product over
[B, T, C] wants. What only the encoder needs is left aside.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor

from voiceserver.nn.snac.config import DILATIONS, KERNEL, SnacConfig
from voiceserver.nn.snac.product import Product
from voiceserver.nn.torch_file import Shape, check_state

GAIN, DIRECTION = "parametrizations.weight.original0", "parametrizations.weight.original1"
OLD_NAMES = {"weight_g": GAIN, "weight_v": DIRECTION}  # before torch 2.0


@dataclass(frozen=True)
class UnitWeights:
    """A residual unit: Snake, convolution over time, Snake, mixing of channels."""

    before: Tensor  # [2, C]: a Snake's alpha and its reciprocal
    taps: Tensor  # depthwise: [C, 7]; else the matrix [C, 7 * C]
    bias: Tensor  # [C]
    after: Tensor  # [2, C]
    mix: Tensor  # [C, C]
    mix_bias: Tensor  # [C]
    dilation: int

    @property
    def depthwise(self) -> bool:
        return self.taps.shape[1] == KERNEL


@dataclass(frozen=True)
class LevelWeights:
    """Upsampling by `stride`, noise, three residual units."""

    stride: int
    snake: Tensor  # [2, C_in]
    up: Product  # 2 * C_in -> stride * C: the sample before and each sample make `stride` samples
    noise: Tensor | None  # [C, C]
    units: tuple[UnitWeights, ...]


@dataclass(frozen=True)
class SnacWeights:
    codebooks: tuple[Tensor, ...]  # [V, codebook_dim] each
    latents: Tensor  # [latent_dim, codebooks * codebook_dim]
    latents_bias: Tensor  # [latent_dim]
    first: Tensor  # depthwise: [latent_dim, 7]; else [decoder_dim, 7 * latent_dim]
    first_bias: Tensor
    widen: tuple[Tensor, Tensor] | None  # depthwise: [decoder_dim, latent_dim] and its bias
    levels: tuple[LevelWeights, ...]
    last_snake: Tensor  # [2, C]
    last: Tensor  # [7, C]
    last_bias: Tensor  # [1]

    def tensors(self) -> Iterator[Tensor]:
        """All of them."""
        return _tensors(self)


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Product):
        yield from (value.weight, value.bias)
    elif isinstance(value, tuple):
        for item in value:
            yield from _tensors(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _tensors(getattr(value, field.name))


def expected_shapes(config: SnacConfig) -> dict[str, Shape]:
    """Names, as torch's parametrizations have them, and shapes of all the decoder reads."""
    shapes: dict[str, Shape] = {}

    def convolution(name: str, shape: Shape, bias: int | None) -> None:
        shapes[f"{name}.{GAIN}"] = (shape[0], *(1 for _ in shape[1:]))
        shapes[f"{name}.{DIRECTION}"] = shape
        if bias is not None:
            shapes[f"{name}.bias"] = (bias,)

    for i in range(len(config.vq_strides)):
        name = f"quantizer.quantizers.{i}"
        shapes[f"{name}.codebook.weight"] = (config.codebook_size, config.codebook_dim)
        convolution(
            f"{name}.out_proj", (config.latent_dim, config.codebook_dim, 1), config.latent_dim
        )
    names = LayerNames(config)
    latent, width = config.latent_dim, config.decoder_dim
    if config.depthwise:
        convolution(names.first, (latent, 1, KERNEL), latent)
        convolution(names.widen, (width, latent, 1), width)
    else:
        convolution(names.first, (width, latent, KERNEL), width)
    for level, stride in enumerate(config.decoder_rates):
        source, width = config.widths[level], config.widths[level + 1]
        shapes[f"{names.level(level)}.0.alpha"] = (1, source, 1)
        convolution(f"{names.level(level)}.1", (source, width, 2 * stride), width)
        if config.noise:
            convolution(f"{names.level(level)}.2.linear", (width, width, 1), None)
        for i in range(len(DILATIONS)):
            unit = names.unit(level, i)
            shapes[f"{unit}.0.alpha"] = shapes[f"{unit}.2.alpha"] = (1, width, 1)
            convolution(f"{unit}.1", (width, 1 if config.depthwise else width, KERNEL), width)
            convolution(f"{unit}.3", (width, width, 1), width)
    shapes[f"{names.last_snake}.alpha"] = (1, width, 1)
    convolution(names.last, (1, width, KERNEL), 1)
    return shapes


class LayerNames:
    """Where the decoder's layers stand in the published network's sequence."""

    def __init__(self, config: SnacConfig) -> None:
        self._config = config
        self._levels_at = 2 if config.depthwise else 1
        end = self._levels_at + len(config.decoder_rates)
        self.first, self.widen = "decoder.model.0", "decoder.model.1"
        self.last_snake, self.last = f"decoder.model.{end}", f"decoder.model.{end + 1}"

    def level(self, level: int) -> str:
        return f"decoder.model.{self._levels_at + level}.block"

    def unit(self, level: int, unit: int) -> str:
        return f"{self.level(level)}.{(3 if self._config.noise else 2) + unit}.block"


def read_weights(
    state: Mapping[str, Tensor],
    config: SnacConfig,
    source: str,
    device: torch.device,
    dtype: torch.dtype,
) -> SnacWeights:
    """`state` is the published state dict; `source` names it in errors."""
    state = {_new_name(key): tensor for key, tensor in state.items()}
    encoding = tuple(f"quantizer.quantizers.{i}.in_proj." for i in range(len(config.vq_strides)))
    check_state(source, state, expected_shapes(config), ignored=("encoder.", *encoding))
    return _Folding(state, config, device, dtype).weights()


def _new_name(key: str) -> str:
    layer, _, name = key.rpartition(".")
    return f"{layer}.{OLD_NAMES[name]}" if name in OLD_NAMES else key


class _Folding:
    """Computes in float64 and hands out tensors of the wanted device and type."""

    def __init__(
        self,
        state: Mapping[str, Tensor],
        config: SnacConfig,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self._state, self._config = state, config
        self._wanted: dict[str, Any] = {"device": device, "dtype": dtype}
        self._names = LayerNames(config)

    def weights(self) -> SnacWeights:
        config, names = self._config, self._names
        quantizers = [f"quantizer.quantizers.{i}" for i in range(len(config.vq_strides))]
        out = [self._folded(f"{name}.out_proj")[..., 0] for name in quantizers]
        biases = [self._state[f"{name}.out_proj.bias"].double() for name in quantizers]
        width = config.widths[-1]
        return SnacWeights(
            codebooks=tuple(self._give(self._state[f"{q}.codebook.weight"]) for q in quantizers),
            latents=self._give(torch.cat(out, 1)),
            latents_bias=self._give(torch.stack(biases).sum(0)),
            first=self._over_time(names.first),
            first_bias=self._bias(names.first),
            widen=(self._mix(names.widen), self._bias(names.widen)) if config.depthwise else None,
            levels=tuple(self._level(i) for i in range(len(config.decoder_rates))),
            last_snake=self._snake(names.last_snake),
            last=self._give(self._folded(names.last).view(width, KERNEL).t()),
            last_bias=self._bias(names.last),
        )

    def _level(self, level: int) -> LevelWeights:
        config, name = self._config, self._names.level(level)
        stride = config.decoder_rates[level]
        kernel = self._folded(f"{name}.1")  # [C_in, C, 2 * stride]
        older, newer = kernel[..., stride:], kernel[..., :stride]
        pair = torch.cat([older, newer]).transpose(1, 2)  # [2 * C_in, stride, C]
        return LevelWeights(
            stride=stride,
            snake=self._snake(f"{name}.0"),
            up=Product(
                self._give(pair.flatten(1)),
                self._give(self._state[f"{name}.1.bias"].repeat(stride)),
                usual_rows=config.frame_latents * math.prod(config.decoder_rates[:level]),
            ),
            noise=self._mix(f"{name}.2.linear") if config.noise else None,
            units=tuple(self._unit(level, i, d) for i, d in enumerate(DILATIONS)),
        )

    def _unit(self, level: int, index: int, dilation: int) -> UnitWeights:
        name = self._names.unit(level, index)
        return UnitWeights(
            before=self._snake(f"{name}.0"),
            taps=self._over_time(f"{name}.1"),
            bias=self._bias(f"{name}.1"),
            after=self._snake(f"{name}.2"),
            mix=self._mix(f"{name}.3"),
            mix_bias=self._bias(f"{name}.3"),
            dilation=dilation,
        )

    def _folded(self, name: str) -> Tensor:
        """The weight that the normalised parametrization stands for."""
        gain = self._state[f"{name}.{GAIN}"].double()
        direction = self._state[f"{name}.{DIRECTION}"].double()
        norm = direction.flatten(1).square().sum(1).sqrt().view(gain.shape)
        return direction * (gain / norm)

    def _over_time(self, name: str) -> Tensor:
        weight = self._folded(name)  # depthwise: [C, 1, 7]; else [C, C_in, 7]
        return self._give(weight.transpose(1, 2).reshape(len(weight), -1))

    def _mix(self, name: str) -> Tensor:
        return self._give(self._folded(name)[..., 0])

    def _bias(self, name: str) -> Tensor:
        return self._give(self._state[f"{name}.bias"])

    def _snake(self, name: str) -> Tensor:
        alpha = self._state[f"{name}.alpha"].double().flatten()
        return self._give(torch.stack([alpha, (alpha + 1e-9).reciprocal()]))

    def _give(self, tensor: Tensor) -> Tensor:
        return tensor.to(**self._wanted).contiguous()
