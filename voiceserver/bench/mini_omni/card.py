"""The static card of a bench: what a step must read, and how fast the named device could read it.

A decode step reads every weight and every cached position once, so its floor is bytes over
bandwidth, whatever the code.
"""

from __future__ import annotations

import subprocess
import time
from dataclasses import dataclass

import torch

from voiceserver.nn.mini_omni.config import MiniOmniConfig
from voiceserver.nn.mini_omni.vocabulary import AUDIO_STREAMS, AUDIO_VOCABULARY, TEXT_VOCABULARY

# Memory bandwidth in bytes per second, from NVIDIA's data sheets; the first name that a device's
# name contains counts.
DATA_SHEETS = {
    "B200": 8.0e12,
    "H200": 4.8e12,
    "H100 PCIe": 2.0e12,
    "H100 NVL": 3.9e12,
    "H100": 3.35e12,
    "A100-SXM4-80GB": 2.039e12,
    "A100 80GB PCIe": 1.935e12,
    "A100": 1.555e12,
    "L40S": 0.864e12,
    "L4": 0.300e12,
    "A10": 0.600e12,
    "T4": 0.320e12,
    "RTX 5090": 1.792e12,
    "RTX 4090": 1.008e12,
    "RTX 3090": 0.936e12,
}


@dataclass(frozen=True)
class Bandwidth:
    """How fast a device reads its memory."""

    bytes_per_s: float
    source: str

    def floor_ms(self, size_bytes: float) -> float:
        return size_bytes / self.bytes_per_s * 1e3


@dataclass(frozen=True)
class StepBytes:
    """What one step of a Mini-Omni reads, by part."""

    blocks: int
    text_head: int
    audio_heads: int
    kv: int

    @property
    def total(self) -> int:
        return self.blocks + self.text_head + self.audio_heads + self.kv


def step_bytes(
    config: MiniOmniConfig,
    weight_bytes: int,
    cache_bytes: int,
    rows: int,
    context: int,
    *,
    writes: bool = True,
) -> StepBytes:
    """For so many rows with `context` positions each; without `writes` the text head is left out.

    weight_bytes, cache_bytes: of one number. Norms, biases and scales are too small to count.
    """
    dim = config.model_dim
    layer = dim * config.qkv_dim + config.attention_dim * dim + 3 * dim * config.hidden_dim
    return StepBytes(
        blocks=config.layers * layer * weight_bytes,
        text_head=TEXT_VOCABULARY * dim * weight_bytes if writes else 0,
        audio_heads=AUDIO_STREAMS * AUDIO_VOCABULARY * dim * weight_bytes,
        kv=rows * context * position_bytes(config, cache_bytes),
    )


def position_bytes(config: MiniOmniConfig, cache_bytes: int) -> int:
    """Keys and values of one position of one row."""
    return 2 * config.layers * config.kv_heads * config.head_dim * cache_bytes


def slot_bytes(config: MiniOmniConfig, cache_bytes: int) -> int:
    """The cache of one session: a row that speaks and a row that writes."""
    return 2 * config.positions * position_bytes(config, cache_bytes)


def bandwidth(device: torch.device) -> Bandwidth:
    """From the data sheet if the device is known, else measured."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        known = next((part for part in DATA_SHEETS if part in name), None)
        if known is not None:
            return Bandwidth(DATA_SHEETS[known], f"data sheet of {known}")
    return measured_bandwidth(device)


def measured_bandwidth(device: torch.device, size_bytes: int = 2**28) -> Bandwidth:
    """How fast one sum reads a tensor larger than any cache: the best of several."""
    numbers = torch.ones(size_bytes // 4, device=device)
    numbers.sum()
    best_s = min(_seconds(numbers) for _ in range(5))
    where = "one core" if device.type == "cpu" and torch.get_num_threads() == 1 else "this device"
    return Bandwidth(size_bytes / best_s, f"measured on {where}, best of 5")


def _seconds(numbers: torch.Tensor) -> float:
    began_s = time.perf_counter()
    float(numbers.sum())  # read on the host: the device is done
    return time.perf_counter() - began_s


def model_card(
    config: MiniOmniConfig, device: torch.device, rows: int, context: int
) -> dict[str, str]:
    """Bytes and floor of a step as the model is served on this device."""
    on_cuda = device.type == "cuda"
    weight_bytes, cache_bytes = (2, 2) if on_cuda else (1, 4)
    parts = step_bytes(config, weight_bytes, cache_bytes, rows, context)
    speed = bandwidth(device)
    return {
        "weights": "bfloat16" if on_cuda else "int8",
        "cache": "bfloat16" if on_cuda else "float32",
        "blocks": megabytes(parts.blocks),
        "text head": megabytes(parts.text_head),
        "audio heads": megabytes(parts.audio_heads),
        f"KV of {rows} rows at {context} positions": megabytes(parts.kv),
        "bytes a step": megabytes(parts.total),
        "KV of a slot": megabytes(slot_bytes(config, cache_bytes)),
        "bandwidth": f"{speed.bytes_per_s / 1e9:.1f} GB/s ({speed.source})",
        "floor of a step": f"{speed.floor_ms(parts.total):.3f} ms",
        "device": device_name(device),
    }


def device_name(device: torch.device) -> str:
    """The GPU with its clocks as nvidia-smi has them now, or what kind of device it is."""
    if device.type != "cuda":
        return device.type
    return f"{torch.cuda.get_device_name(device)}{_clocks()}"


def _clocks() -> str:
    fields = "clocks.sm,clocks.max.sm,clocks.mem,driver_version"
    command = ["nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    values = answer.stdout.strip().splitlines()[:1]
    if answer.returncode or not values:
        return ""
    sm, sm_most, memory, driver = (value.strip() for value in values[0].split(","))
    return f", SM {sm} of {sm_most}, memory {memory}, driver {driver}"


def megabytes(size_bytes: float) -> str:
    return f"{size_bytes / 1e6:.1f} MB"
