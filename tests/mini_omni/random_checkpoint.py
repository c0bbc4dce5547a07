"""A complete Mini-Omni checkpoint folder, reduced in size, with random weights, as the hub has it.

Key names, file names and formats are the published ones; sizes are small, the vocabulary is whole.
Tokens that end text and speech, and text the tokenizer knows, are made likely, so that replies
have words and end by themselves.
"""

from __future__ import annotations

import dataclasses
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from snac import SNAC
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from whisper.model import ModelDimensions, Whisper

from voiceserver.bench.questions import QUESTIONS

TEXT_IDS = 152_000
AUDIO_IDS = 4_160
STREAMS = 7
VOCABULARY = TEXT_IDS + STREAMS * AUDIO_IDS
END_OF_TEXT = 151_936
END_OF_AUDIO = TEXT_IDS + 6 * AUDIO_IDS + 4096  # on the stream that ends a reply
SPECIAL_TOKENS = {"<|endoftext|>": 151_643, "<|im_start|>": 151_644, "<|im_end|>": 151_645}
KNOWN_TEXT_IDS = 400  # what the tokenizer can write


@dataclass(frozen=True)
class Sizes:
    layers: int = 2
    dim: int = 32
    heads: int = 4
    groups: int = 2
    head_dim: int = 8
    hidden_dim: int = 64
    block_size: int = 2048
    whisper_dim: int = 32
    whisper_heads: int = 2
    whisper_layers: int = 2
    vision_dim: int | None = None  # Mini-Omni2 has one
    seed: int = 6  # its replies last a while and end by themselves


def write_checkpoint(folder: Path, sizes: Sizes | None = None) -> Path:
    """Write all files of a checkpoint; returns the folder."""
    sizes = sizes or Sizes()
    (folder / "snac").mkdir(parents=True, exist_ok=True)
    (folder / "model_config.yaml").write_text(yaml.safe_dump(model_config(sizes)))
    torch.save(language_weights(sizes), folder / "lit_model.pth")
    tokenizer().save(str(folder / "tokenizer.json"))
    torch.save(whisper_checkpoint(sizes), folder / "small.pt")
    (folder / "snac" / "config.json").write_text(json.dumps(SNAC_CONFIG))
    torch.save(snac_weights(sizes.seed), folder / "snac" / "pytorch_model.bin")
    return folder


def model_config(sizes: Sizes) -> dict[str, Any]:
    """The fields of the published model_config.yaml."""
    return {
        "name": "Qwen2-0.5B",
        "hf_config": {"org": "Qwen", "name": "Qwen2-0.5B"},
        "scale_embeddings": False,
        "block_size": sizes.block_size,
        "vocab_size": 50254,
        "padding_multiple": 512,
        "padded_vocab_size": VOCABULARY,
        "n_layer": sizes.layers,
        "n_head": sizes.heads,
        "head_size": sizes.head_dim,
        "n_embd": sizes.dim,
        "rotary_percentage": 1,
        "parallel_residual": False,
        "bias": False,
        "lm_head_bias": False,
        "n_query_groups": sizes.groups,
        "shared_attention_norm": False,
        "norm_class_name": "RMSNorm",
        "norm_eps": 1e-6,
        "mlp_class_name": "LLaMAMLP",
        "gelu_approximate": "none",
        "intermediate_size": sizes.hidden_dim,
        "rope_condense_ratio": 1,
        "rope_base": 1_000_000,
        "n_expert": 0,
        "n_expert_per_token": 0,
        "add_qkv_bias": True,
        "prompt_vocab_size": None,
        "attn_dropout": 0.0,
        "pos_type": "rope",
        "force_align": False,
        "use_pretrain_phoneme_emb": False,
        "tie_word_embeddings": True,
        "text_vocab_size": TEXT_IDS,
        "cat_audio_vocab_size": STREAMS * AUDIO_IDS,
        "audio_vocab_size": AUDIO_IDS,
        "whisper_adapter_dim": sizes.whisper_dim,
        "asr_adapter": "llamamlp",
        "post_adapter": False,
        "post_adapter_layers": 6,
    } | ({} if sizes.vision_dim is None else {"vision_adapter_dim": sizes.vision_dim})


def language_shapes(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Every key of lit_model.pth but the tied head, with its shape."""
    dim, hidden = sizes.dim, sizes.hidden_dim
    qkv = (sizes.heads + 2 * sizes.groups) * sizes.head_dim
    shapes: dict[str, tuple[int, ...]] = {
        "transformer.wte.weight": (VOCABULARY, dim),
        "transformer.ln_f.weight": (dim,),
    }
    for layer in range(sizes.layers):
        name = f"transformer.h.{layer}"
        shapes[f"{name}.norm_1.weight"] = (dim,)
        shapes[f"{name}.norm_2.weight"] = (dim,)
        shapes[f"{name}.attn.attn.weight"] = (qkv, dim)
        shapes[f"{name}.attn.attn.bias"] = (qkv,)
        shapes[f"{name}.attn.proj.weight"] = (dim, sizes.heads * sizes.head_dim)
        shapes |= _swiglu_shapes(f"{name}.mlp", dim, hidden, dim)
    shapes |= _swiglu_shapes("whisper_adapter", sizes.whisper_dim, hidden, dim)
    if sizes.vision_dim is not None:
        shapes |= _swiglu_shapes("vision_adapter", sizes.vision_dim, hidden, dim)
    return shapes


def language_weights(sizes: Sizes) -> dict[str, Tensor]:
    """The content of lit_model.pth."""
    weights = {
        key: torch.from_numpy(_drawn(sizes.seed, key, shape))
        for key, shape in language_shapes(sizes).items()
    }
    embedding = weights["transformer.wte.weight"]
    embedding[KNOWN_TEXT_IDS:TEXT_IDS] *= 0.3
    embedding[END_OF_TEXT] *= 6.0
    embedding[END_OF_AUDIO] *= 8.0
    return {"lm_head.weight": embedding, **weights}


def tokenizer() -> Tokenizer:
    """Byte-level BPE as Qwen2's, with few merges; its special tokens stand where Qwen2's do."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=KNOWN_TEXT_IDS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    made.train_from_iterator(QUESTIONS, trainer)
    content = json.loads(made.to_str())
    content["model"]["vocab"] |= SPECIAL_TOKENS
    made = Tokenizer.from_str(json.dumps(content))
    made.add_special_tokens(list(SPECIAL_TOKENS))
    return made


def whisper_checkpoint(sizes: Sizes) -> dict[str, Any]:
    """The content of small.pt: half precision, decoder included."""
    dims = ModelDimensions(
        n_mels=80,
        n_audio_ctx=1500,
        n_audio_state=sizes.whisper_dim,
        n_audio_head=sizes.whisper_heads,
        n_audio_layer=sizes.whisper_layers,
        n_vocab=64,
        n_text_ctx=8,
        n_text_state=sizes.whisper_dim,
        n_text_head=sizes.whisper_heads,
        n_text_layer=1,
    )
    state = Whisper(dims).state_dict()
    for key, tensor in state.items():
        if key != "encoder.positional_embedding":
            drawn = _drawn(sizes.seed, key.replace("_ln.weight", "_norm"), tuple(tensor.shape))
            state[key] = torch.from_numpy(drawn)
    return {
        "dims": dataclasses.asdict(dims),
        "model_state_dict": {key: tensor.half() for key, tensor in state.items()},
    }


# Rates and strides are the published ones; channels are few.
SNAC_CONFIG: dict[str, Any] = {
    "sampling_rate": 24000,
    "encoder_dim": 4,
    "encoder_rates": [2, 4, 8, 8],
    "decoder_dim": 64,
    "decoder_rates": [8, 8, 4, 2],
    "attn_window_size": None,
    "codebook_size": 4096,
    "codebook_dim": 8,
    "vq_strides": [4, 2, 1],
    "noise": True,
    "depthwise": True,
}


def snac_weights(seed: int) -> dict[str, Tensor]:
    """The content of pytorch_model.bin: names of the package, with encoder and weight norm."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return dict(SNAC(**SNAC_CONFIG).state_dict())


def _swiglu_shapes(name: str, source: int, hidden: int, target: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.fc_1.weight": (hidden, source),
        f"{name}.fc_2.weight": (hidden, source),
        f"{name}.proj.weight": (target, hidden),
    }


def _drawn(seed: int, key: str, shape: tuple[int, ...]) -> np.ndarray:
    """The rule of the parity vectors: spread enough that the most likely token is clear."""
    rng = np.random.default_rng([seed, zlib.crc32(key.encode())])
    if "norm" in key or "ln_f" in key:
        drawn = rng.uniform(0.5, 1.5, shape)
    elif key.endswith("bias"):
        drawn = rng.normal(0, 0.2, shape)
    else:
        drawn = rng.normal(0, 1.0 if "wte" in key else 0.15, shape)
    return drawn.astype(np.float32)
