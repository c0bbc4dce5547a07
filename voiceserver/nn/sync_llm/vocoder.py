"""The unit HiFi-GAN of the textless family (Polyak et al. 2021; SpiRit-LM's is one), and its files.

Each unit is embedded, a speaker's and a style's embedding stand beside it, and transposed
convolutions make UNIT_SAMPLES samples of it. Durations are not predicted: units come at their full
rate. Weight norm is folded into the weights when they are read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.errors import AssetError
from voiceserver.nn.sync_llm.chunks import UNIT_SAMPLES
from voiceserver.nn.sync_llm.weights import read_json
from voiceserver.nn.torch_file import as_state, check_state, read_torch_file

CONFIG, WEIGHTS = "config.json", "generator.pt"
EDGE_KERNEL = 7
SLOPE, LAST_SLOPE = 0.1, 0.01
# What would need another input than units; configs name these or leave them out.
NOT_READ = ("f0", "num_f0_tokens", "num_style_tokens", "embedder_params", "f0_quant_num_bin")


@dataclass(frozen=True)
class VocoderShape:
    """Sizes of a unit HiFi-GAN."""

    units: int
    embedding_dim: int
    speakers: int  # 0: it knows one voice only
    styles: int
    channels: int  # of the first level; each further level has half
    rates: tuple[int, ...]
    kernels: tuple[int, ...]
    block_kernels: tuple[int, ...]
    dilations: tuple[tuple[int, ...], ...]  # of each block

    @property
    def input_dim(self) -> int:
        return self.embedding_dim * (1 + (self.speakers > 0) + (self.styles > 0))

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> VocoderShape:
        """From the fields of config.json, which must ask for this network."""
        for name in NOT_READ:
            if fields.get(name):
                raise AssetError(f"config.json: {name} is {fields[name]!r}; only units are read")
        if str(fields.get("resblock", "1")) != "1":
            raise AssetError("config.json: resblock is not 1")
        try:
            shape = cls(
                units=int(fields["num_embeddings"]),
                embedding_dim=int(fields["embedding_dim"]),
                speakers=int(fields.get("num_speakers", 200)) if fields.get("multispkr") else 0,
                styles=int(fields.get("num_styles", 100)) if fields.get("multistyle") else 0,
                channels=int(fields["upsample_initial_channel"]),
                rates=tuple(int(rate) for rate in fields["upsample_rates"]),
                kernels=tuple(int(kernel) for kernel in fields["upsample_kernel_sizes"]),
                block_kernels=tuple(int(kernel) for kernel in fields["resblock_kernel_sizes"]),
                dilations=tuple(
                    tuple(int(d) for d in block) for block in fields["resblock_dilation_sizes"]
                ),
            )
        except KeyError as error:
            raise AssetError(f"config.json: {error.args[0]} is missing") from error
        except (TypeError, ValueError) as error:
            raise AssetError(f"config.json: {error}") from error
        shape._check(fields)
        return shape

    def _check(self, fields: Mapping[str, Any]) -> None:
        hop = int(torch.tensor(self.rates).prod())
        rate_hz = fields.get("sampling_rate", LISTEN_RATE_HZ)
        if (hop, rate_hz) != (UNIT_SAMPLES, LISTEN_RATE_HZ):
            raise AssetError(
                f"config.json: {hop} samples a unit at {rate_hz} Hz; "
                f"units of 40 ms have {UNIT_SAMPLES} at {LISTEN_RATE_HZ}"
            )
        if fields.get("model_in_dim", self.input_dim) != self.input_dim:
            raise AssetError(
                f"config.json: model_in_dim is {fields['model_in_dim']}, not {self.input_dim}"
            )

    def reach(self) -> int:
        """Units to each side that a sample depends on."""
        samples, hop = EDGE_KERNEL // 2, 1  # of the last convolution
        for rate, kernel in zip(reversed(self.rates), reversed(self.kernels), strict=True):
            blocks = zip(self.block_kernels, self.dilations, strict=True)
            block = max((k // 2) * sum(d + 1 for d in dilations) for k, dilations in blocks)
            samples += (block + (kernel - rate + 1) // 2) * hop
            hop *= rate
        return -(-samples // hop) + EDGE_KERNEL // 2 + 1


def shapes(shape: VocoderShape) -> dict[str, tuple[int, ...]]:
    """Every tensor of the file that is used: with weight norm, as the training code saves it."""
    found: dict[str, tuple[int, ...]] = {"dict.weight": (shape.units, shape.embedding_dim)}
    if shape.speakers:
        found["spkr.weight"] = (shape.speakers, shape.embedding_dim)
    if shape.styles:
        found["style.weight"] = (shape.styles, shape.embedding_dim)
    found |= _normed("conv_pre", (shape.channels, shape.input_dim, EDGE_KERNEL))
    channels = shape.channels
    for level, kernel in enumerate(shape.kernels):
        # A transposed convolution has its inputs first.
        found |= _normed(f"ups.{level}", (channels, channels // 2, kernel), bias=channels // 2)
        channels //= 2
        for index, (size, dilations) in enumerate(
            zip(shape.block_kernels, shape.dilations, strict=True)
        ):
            block = f"resblocks.{level * len(shape.block_kernels) + index}"
            for name in ("convs1", "convs2"):
                for place in range(len(dilations)):
                    found |= _normed(f"{block}.{name}.{place}", (channels, channels, size))
    return found | _normed("conv_post", (1, channels, EDGE_KERNEL))


def _normed(
    name: str, weight: tuple[int, int, int], bias: int | None = None
) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.weight_g": (weight[0], 1, 1),
        f"{name}.weight_v": weight,
        f"{name}.bias": (weight[0] if bias is None else bias,),
    }


class UnitHifiGan:
    """The network: units at their full rate to samples."""

    def __init__(
        self,
        shape: VocoderShape,
        state: Mapping[str, Tensor],
        device: torch.device,
        speaker: int = 0,
        style: int = 0,
    ) -> None:
        self.shape, self.device = shape, device
        for name, given, known in (
            ("speaker", speaker, shape.speakers),
            ("style", style, shape.styles),
        ):
            if given and not 0 <= given < known:
                raise AssetError(f"the vocoder has {known} {name}s, there is none numbered {given}")
        folded = _folded(state)
        self._state = {name: tensor.to(device) for name, tensor in folded.items()}
        voice = [self._state["spkr.weight"][speaker]] if shape.speakers else []
        voice += [self._state["style.weight"][style]] if shape.styles else []
        self._voice = torch.cat(voice) if voice else torch.zeros(0, device=device)  # [C]

    @classmethod
    def load(cls, folder: Path, device: torch.device, speaker: int, style: int) -> UnitHifiGan:
        """From config.json and generator.pt."""
        try:
            shape = VocoderShape.from_json(read_json(folder / CONFIG))
        except AssetError as error:
            raise AssetError(f"{folder}: {error}") from error
        path = folder / WEIGHTS
        content = read_torch_file(path)
        if isinstance(content, dict) and "generator" in content:
            content = content["generator"]
        state = as_state(path, content)
        check_state(path, state, shapes(shape), ignored=("dur_predictor.",))
        return cls(shape, state, device, speaker, style)

    @property
    def reach(self) -> int:
        """Units to each side that a sample depends on."""
        return self.shape.reach()

    @torch.inference_mode()
    def __call__(self, units: Tensor) -> Tensor:
        """units: [B, T] -> samples [B, T * UNIT_SAMPLES]"""
        units = units.to(self.device)
        x = self._state["dict.weight"][units].transpose(1, 2)  # [B, E, T]
        voice = self._voice[None, :, None].expand(len(units), -1, units.shape[1])
        x = self._convolve("conv_pre", torch.cat([x, voice], dim=1))
        for level in range(len(self.shape.rates)):
            x = self._level(level, F.leaky_relu(x, SLOPE))
        x = self._convolve("conv_post", F.leaky_relu(x, LAST_SLOPE))
        return torch.tanh(x).squeeze(1)

    def _level(self, level: int, x: Tensor) -> Tensor:
        shape, name = self.shape, f"ups.{level}"
        rate, kernel = shape.rates[level], shape.kernels[level]
        weight, bias = self._state[f"{name}.weight"], self._state[f"{name}.bias"]
        x = F.conv_transpose1d(x, weight, bias, stride=rate, padding=(kernel - rate) // 2)
        blocks = range(len(shape.block_kernels))
        total = sum((self._block(level, index, x) for index in blocks), torch.zeros_like(x))
        return total / len(blocks)

    def _block(self, level: int, index: int, x: Tensor) -> Tensor:
        name = f"resblocks.{level * len(self.shape.block_kernels) + index}"
        for place, dilation in enumerate(self.shape.dilations[index]):
            y = self._convolve(f"{name}.convs1.{place}", F.leaky_relu(x, SLOPE), dilation)
            x = x + self._convolve(f"{name}.convs2.{place}", F.leaky_relu(y, SLOPE))
        return x

    def _convolve(self, name: str, x: Tensor, dilation: int = 1) -> Tensor:
        weight, bias = self._state[f"{name}.weight"], self._state[f"{name}.bias"]
        padding = (weight.shape[-1] - 1) * dilation // 2
        return F.conv1d(x, weight, bias, padding=padding, dilation=dilation)


def _folded(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weight norm computed: g v / |v|, the norm over all but the first dimension."""
    folded: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.endswith(".weight_v"):
            size = torch.linalg.vector_norm(tensor.float(), dim=(1, 2), keepdim=True)
            gain = state[name.removesuffix("v") + "g"].float()
            folded[name.removesuffix("_v")] = tensor.float() * gain / size
        elif not name.endswith(".weight_g"):
            folded[name] = tensor.float()
    return folded
