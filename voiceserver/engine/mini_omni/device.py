"""Which device Mini-Omni is served on, and in which numbers; needs nothing but torch."""

from __future__ import annotations

import torch

from voiceserver.config import DEVICES
from voiceserver.errors import VoiceserverError


def device_of(name: str) -> torch.device:
    """From auto, cpu or cuda; auto is cuda where there is one."""
    if name not in DEVICES:
        raise VoiceserverError(f"--device {name}: it may be {', '.join(DEVICES)}")
    has_cuda = torch.cuda.is_available()
    if name == "cuda" and not has_cuda:
        raise VoiceserverError("no CUDA device here; use --device cpu")
    return torch.device("cuda" if has_cuda and name != "cpu" else "cpu")


def precision_on(device: torch.device) -> tuple[torch.dtype, bool]:
    """Type of the activations, and whether products are int8: bfloat16, or int8 on a CPU."""
    on_cpu = device.type == "cpu"
    return (torch.float32 if on_cpu else torch.bfloat16), on_cpu
