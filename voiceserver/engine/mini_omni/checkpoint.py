"""Mini-Omni's files -> its networks, or one clear line that says which file is wrong and how.

What the published files may hold is known: pickled code is refused, key names, shapes, rates and
ids are checked before anything is moved to the device.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml
from tokenizers import Tokenizer
from torch import Tensor

from voiceserver.engine.mini_omni.device import precision_on
from voiceserver.engine.mini_omni.files import (
    CONFIG,
    LANGUAGE,
    SNAC_CONFIG,
    TOKENIZER,
    CheckpointFiles,
)
from voiceserver.errors import AssetError
from voiceserver.nn import snac
from voiceserver.nn.mini_omni import vocabulary, weights
from voiceserver.nn.mini_omni.config import MiniOmniConfig
from voiceserver.nn.mini_omni.network import MiniOmni
from voiceserver.nn.snac import Snac
from voiceserver.nn.torch_file import read_state
from voiceserver.nn.whisper import WhisperEncoder, load_encoder

FRAME_CODES = 7
FRAME_SAMPLES = 2048  # 85.33 ms at 24 kHz
VOICE_RATE_HZ = 24_000


__all__ = ["Checkpoint", "CheckpointFiles", "language", "load"]


@dataclass(frozen=True)
class Checkpoint:
    """The networks, loaded and of sizes that fit each other."""

    network: MiniOmni
    tokenizer: Tokenizer
    snac: Snac
    whisper: WhisperEncoder


def load(files: CheckpointFiles, device: torch.device) -> Checkpoint:
    """Everything, as it is served: int8 products on a CPU, bfloat16 on CUDA; the codec float32."""
    dtype, int8 = precision_on(device)
    whisper = load_encoder(files.whisper, device, dtype, int8=int8)
    tokenizer = read_tokenizer(files.language / TOKENIZER)
    codec = read_snac(files.snac, device)
    config, state = read_language(files.language)
    if whisper.config.dim != config.whisper_dim:
        raise AssetError(
            f"{files.whisper} has features of {whisper.config.dim} numbers, "
            f"{files.language / LANGUAGE} wants {config.whisper_dim}"
        )
    return Checkpoint(MiniOmni(config, state, device, dtype, int8=int8), tokenizer, codec, whisper)


def language(folder: Path) -> tuple[MiniOmniConfig, dict[str, Tensor]]:
    """The language model of a checkpoint folder, checked, on the CPU."""
    return read_language(CheckpointFiles.in_folder(folder).language)


def read_language(folder: Path) -> tuple[MiniOmniConfig, dict[str, Tensor]]:
    """model_config.yaml and lit_model.pth; fields of the yaml that nothing here reads may be any"""
    fields = _yaml(folder / CONFIG)
    path = folder / LANGUAGE
    state = read_state(path)
    try:
        config = MiniOmniConfig.from_yaml(fields)
    except AssetError as error:
        raise AssetError(f"{folder}: {error}") from error
    try:
        weights.check(config, state)
    except AssetError as error:
        raise AssetError(f"{path} is not what {CONFIG} says: {error}") from error
    return config, state


def read_tokenizer(path: Path) -> Tokenizer:
    """A tokenizer whose ids leave room for Mini-Omni's own."""
    if not path.is_file():
        raise AssetError(f"{path} is missing")
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception
        raise AssetError(f"{path} is not a tokenizer: {error}") from error
    last = max(tokenizer.get_vocab().values(), default=0)
    if last >= vocabulary.EOT:
        raise AssetError(
            f"{path} is not this model's tokenizer: it has ids up to {last}, and from "
            f"{vocabulary.EOT} on they mean other things"
        )
    return tokenizer


def read_snac(folder: Path, device: torch.device) -> Snac:
    """The codec, which must be the 24 kHz one with seven codes a frame."""
    codec = snac.load(folder, device)
    config = codec.config
    found = (config.sampling_rate, config.frame_samples, config.frame_codes, config.codebook_size)
    wanted = (VOICE_RATE_HZ, FRAME_SAMPLES, FRAME_CODES, vocabulary.CODES)
    if found != wanted:
        names = ("sampling rate", "samples a frame", "codes a frame", "codebook size")
        wrong = [
            f"{name} is {is_}, not {should}"
            for name, is_, should in zip(names, found, wanted, strict=True)
            if is_ != should
        ]
        raise AssetError(
            f"{folder / SNAC_CONFIG} is not the codec of Mini-Omni: {'; '.join(wrong)}"
        )
    return codec


def _yaml(path: Path) -> dict[str, Any]:
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise AssetError(f"{path} is missing") from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise AssetError(f"{path} is not YAML: {reason}") from error
    if not isinstance(fields, dict):
        raise AssetError(f"{path} holds no fields")
    return fields
