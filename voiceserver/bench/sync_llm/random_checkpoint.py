"""A whole folder for the family sync_llm with random weights, in every format that it is read in.

For tests and for timing: no weights of SyncLLM are published, and these say nothing sensible.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer
from torch import Tensor

from voiceserver.bench.mini_omni.random_checkpoint import bytes_tokenizer
from voiceserver.nn.sync_llm import weights
from voiceserver.nn.sync_llm.config import LlamaShape
from voiceserver.nn.sync_llm.vocabulary import OWN_TAG, UNITS, USER_TAG
from voiceserver.nn.sync_llm.vocoder import VocoderShape, shapes

HUBERT_STRIDES = (5, 2, 2, 2, 2, 2, 2, 2)  # one feature every 640 samples: 25 Hz
HUBERT_KERNELS = (10, 3, 3, 3, 3, 2, 2, 2)


@dataclass(frozen=True)
class Sizes:
    """Of the language model; the other networks are a few channels wide."""

    layers: int = 2
    dim: int = 64
    heads: int = 4
    kv_heads: int = 2
    hidden_dim: int = 128
    positions: int = 2048
    chunk_ms: int = 160
    seed: int = 0
    hubert_dim: int = 32
    hubert_layers: int = 2
    vocoder_channels: int = 64

    @classmethod
    def wide(cls, layers: int, chunk_ms: int) -> Sizes:
        """As wide as a language model of 135 M parameters with 30 layers."""
        return cls(layers, 576, 9, 3, 1536, chunk_ms=chunk_ms)


def write_folder(folder: Path, sizes: Sizes | None = None) -> Path:
    """Write all files; returns the folder."""
    sizes = sizes or Sizes()
    (folder / "hubert").mkdir(parents=True, exist_ok=True)
    (folder / "vocoder").mkdir(exist_ok=True)
    tokenizer = unit_tokenizer()
    config = llama_config(sizes, tokenizer.get_vocab_size())
    _write_json(folder / "config.json", config)
    save_file(llama_weights(sizes, config), folder / "model.safetensors")
    tokenizer.save(str(folder / "tokenizer.json"))
    _write_json(folder / "sync_llm.json", {"chunk_ms": sizes.chunk_ms, "hubert_layer": 1})
    _write_hubert(folder / "hubert", sizes)
    _write_vocoder(folder / "vocoder", sizes)
    return folder


def unit_tokenizer() -> Tokenizer:
    """A token for every byte, a beginning, units and tags."""
    tokenizer = bytes_tokenizer()
    names = ["<s>", *(f"[Hu{unit}]" for unit in range(UNITS)), OWN_TAG, USER_TAG]
    tokenizer.add_special_tokens([AddedToken(n, special=True, normalized=False) for n in names])
    return tokenizer


def llama_config(sizes: Sizes, vocabulary: int) -> dict[str, Any]:
    """The fields of config.json that say something."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_act": "silu",
        "hidden_size": sizes.dim,
        "intermediate_size": sizes.hidden_dim,
        "num_hidden_layers": sizes.layers,
        "num_attention_heads": sizes.heads,
        "num_key_value_heads": sizes.kv_heads,
        "max_position_embeddings": sizes.positions,
        "rms_norm_eps": 1e-5,
        "rope_theta": 500_000.0,
        "vocab_size": vocabulary,
        "bos_token_id": 256,
        "eos_token_id": 256,
        "tie_word_embeddings": False,
        "attention_bias": False,
        "mlp_bias": False,
    }


def llama_weights(sizes: Sizes, config: dict[str, Any]) -> dict[str, Tensor]:
    """Spread enough that what comes next is clear."""
    expected = weights.shapes(LlamaShape.from_json(config))
    return _drawn(expected, sizes.seed)


def _write_hubert(folder: Path, sizes: Sizes) -> None:
    """A HubertModel with one feature every 40 ms, and centroids of its features."""
    from transformers import HubertConfig, HubertModel

    config = HubertConfig(
        hidden_size=sizes.hubert_dim,
        num_hidden_layers=sizes.hubert_layers,
        num_attention_heads=2,
        intermediate_size=2 * sizes.hubert_dim,
        conv_dim=(16,) * len(HUBERT_STRIDES),
        conv_stride=HUBERT_STRIDES,
        conv_kernel=HUBERT_KERNELS,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
    )
    with torch.random.fork_rng():
        torch.manual_seed(sizes.seed)
        HubertModel(config).save_pretrained(folder)
    rng = np.random.default_rng(sizes.seed)
    centroids = rng.normal(0, 1.0, (UNITS, sizes.hubert_dim)).astype(np.float32)
    np.save(folder / "centroids.npy", centroids)


def _write_vocoder(folder: Path, sizes: Sizes) -> None:
    """A unit HiFi-GAN of 640 samples a unit, with weight norm, as it is published."""
    fields = vocoder_config(sizes)
    _write_json(folder / "config.json", fields)
    state = _drawn(shapes(VocoderShape.from_json(fields)), sizes.seed, weight=0.05)
    torch.save({"generator": state}, folder / "generator.pt")


def vocoder_config(sizes: Sizes) -> dict[str, Any]:
    """The fields of its config.json."""
    return {
        "resblock": "1",
        "upsample_rates": [5, 4, 4, 4, 2],
        "upsample_kernel_sizes": [11, 8, 8, 8, 4],
        "upsample_initial_channel": sizes.vocoder_channels,
        "resblock_kernel_sizes": [3, 7],
        "resblock_dilation_sizes": [[1, 3, 5], [1, 3, 5]],
        "num_embeddings": UNITS,
        "embedding_dim": 16,
        "model_in_dim": 32,
        "multispkr": "from_input_file",
        "num_speakers": 3,
        "sampling_rate": 16_000,
        "code_hop_size": 640,
    }


def _drawn(
    wanted: dict[str, tuple[int, ...]], seed: int, weight: float = 0.15
) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    drawn: dict[str, Tensor] = {}
    for name, shape in wanted.items():
        tensor = torch.randn(shape, generator=generator)
        if "norm" in name or name.endswith("weight_g"):
            drawn[name] = 1.0 + 0.1 * tensor
        else:
            scale = 1.0 if "embed" in name or "dict" in name or "spkr" in name else weight
            drawn[name] = tensor * scale
    return drawn


def _write_json(path: Path, fields: dict[str, Any]) -> None:
    path.write_text(json.dumps(fields, indent=1) + "\n", encoding="utf-8")
