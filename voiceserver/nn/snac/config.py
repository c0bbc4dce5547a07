"""The shape of a SNAC codec, read from the `config.json` beside its weights."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from voiceserver.clock import exact_div
from voiceserver.errors import AssetError

KERNEL = 7  # taps of every convolution that is not 1x1 or transposed
DILATIONS = (1, 3, 9)  # of the residual units of a level


def reach(dilation: int) -> int:
    """Samples a centred convolution looks to each side."""
    return exact_div((KERNEL - 1) * dilation, 2)


def crop(stride: int) -> int:
    """Samples a centred transposed convolution drops in front."""
    return -(-stride // 2)


@dataclass(frozen=True)
class SnacConfig:
    """Field names are those of the file; the encoder's are read and not used."""

    sampling_rate: int
    decoder_dim: int
    decoder_rates: tuple[int, ...]
    latent_dim: int
    vq_strides: tuple[int, ...]
    codebook_size: int = 4096
    codebook_dim: int = 8
    noise: bool = True
    depthwise: bool = True

    @property
    def hop_samples(self) -> int:
        """Samples of one latent."""
        return math.prod(self.decoder_rates)

    @property
    def frame_latents(self) -> int:
        """Latents of one frame: as many as the coarsest code spans."""
        return self.vq_strides[0]

    @property
    def frame_samples(self) -> int:
        return self.frame_latents * self.hop_samples

    @property
    def codes_per_frame(self) -> tuple[int, ...]:
        """How many codes each codebook gives to a frame."""
        return tuple(exact_div(self.frame_latents, stride) for stride in self.vq_strides)

    @property
    def frame_codes(self) -> int:
        return sum(self.codes_per_frame)

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels before the first level and after each."""
        return tuple(self.decoder_dim >> level for level in range(len(self.decoder_rates) + 1))

    @property
    def delay_samples(self) -> int:
        """How far, in samples, the decoder looks to each side: so much is a stream late."""
        delay = reach(1)
        for stride in self.decoder_rates:
            delay = delay * stride + crop(stride) + sum(map(reach, DILATIONS))
        return delay + reach(1)

    @property
    def flush_frames(self) -> int:
        """Steps after the last frame until its last sample is out."""
        return -(-self.delay_samples // self.frame_samples)


SNAC_24KHZ = SnacConfig(24_000, 1024, (8, 8, 4, 2), 768, (4, 2, 1))


def read_config(path: Path) -> SnacConfig:
    """The hub's `config.json`; whatever is wrong is one AssetError."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise AssetError(f"{path} is missing") from error
    except (OSError, ValueError) as error:
        raise AssetError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise AssetError(f"{path} is not a JSON object")
    return config_from(content, str(path))


def config_from(content: Mapping[str, Any], source: str = "the SNAC config") -> SnacConfig:
    """A config from the file's fields, or one AssetError that says which does not fit."""
    if content.get("attn_window_size") is not None:
        raise AssetError(
            f"{source}: attn_window_size is {content['attn_window_size']}: codecs with attention "
            "(the 32 and 44 kHz ones) cannot be streamed; use one without, like snac_24khz"
        )
    known = {field.name for field in fields(SnacConfig)}
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in content.items()
        if name in known and value is not None
    }
    if "latent_dim" not in values and {"encoder_dim", "encoder_rates"} <= set(content):
        values["latent_dim"] = content["encoder_dim"] << len(content["encoder_rates"])
    try:
        config = SnacConfig(**values)
        _check(config, source)
    except TypeError as error:
        raise AssetError(f"{source}: {error}") from error
    return config


def _check(config: SnacConfig, source: str) -> None:
    sizes = (
        *(config.sampling_rate, config.decoder_dim, config.latent_dim),
        *(config.codebook_size, config.codebook_dim),
        *config.decoder_rates,
        *config.vq_strides,
    )
    if not all(isinstance(size, int) and size > 0 for size in sizes) or not config.vq_strides:
        raise AssetError(f"{source}: sizes and rates must be positive whole numbers: {config}")
    if any(config.frame_latents % stride for stride in config.vq_strides):
        raise AssetError(
            f"{source}: vq_strides {config.vq_strides} must begin with a multiple of the others"
        )
    if config.decoder_dim % (1 << len(config.decoder_rates)):
        raise AssetError(
            f"{source}: decoder_dim {config.decoder_dim} cannot be halved "
            f"{len(config.decoder_rates)} times"
        )
