"""Records what the published code computes: `python -m tests.parity.record CHECKOUT`.

CHECKOUT holds github gpt-omni/mini-omni at 26c31d5. Its training library is stubbed: only names are
imported from it. Writes published_seed*.npz beside this file; nothing of the checkout is copied.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from voiceserver.nn.mini_omni import prompts, vocabulary, weights
from voiceserver.nn.mini_omni.prompts import Task

from . import drawn

TEXT_PROMPT = [149_401, 11, 69_994, 7, 67_494, 132_167, 0, 30_913, 151_643]
MAX_TOKENS = 64
FRAMES = 11
SIZES: dict[int, dict[str, int]] = {  # by seed
    1: {"layers": 3, "model_dim": 48, "heads": 6, "hidden_dim": 96, "whisper_dim": 24},
    2: {"layers": 4, "model_dim": 40, "heads": 14, "head_dim": 4},
}
ANSWER = {
    "temperature": 0.9,
    "top_k": 1,
    "eos_id_a": vocabulary.EOA,
    "eos_id_t": vocabulary.EOT,
    "pad_id_t": vocabulary.PAD_T,
    "shift": vocabulary.TEXT_VOCABULARY,
}


class Stub(ModuleType):
    """A module that has every name."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


def stub_lightning() -> None:
    fabric = "lightning.fabric"
    parts = ["loggers", "strategies", "utilities", "utilities.load", "utilities.throughput"]
    parts += ["utilities.types", "plugins"]
    names = ["lightning", fabric, *(f"{fabric}.{part}" for part in parts)]
    names += ["lightning.pytorch", "lightning.pytorch.loggers", "lightning.pytorch.cli"]
    for name in [*names, "lightning_utilities", "lightning_utilities.core"]:
        sys.modules[name] = Stub(name)


def published(seed: int, sizes: dict[str, int]) -> tuple[Any, dict[str, Any]]:
    """The published network with drawn weights, and the fields of its yaml."""
    from litgpt.config import Config
    from litgpt.model import GPT

    config = drawn.config(**sizes)
    fields: dict[str, Any] = {
        "n_layer": config.layers,
        "n_embd": config.model_dim,
        "n_head": config.heads,
        "n_query_groups": config.kv_heads,
        "head_size": config.head_dim,
        "intermediate_size": config.hidden_dim,
        "whisper_adapter_dim": config.whisper_dim,
        "block_size": config.positions,
        "rope_base": 1_000_000,
        "norm_eps": 1e-6,
    }
    network = {
        "padded_vocab_size": vocabulary.VOCABULARY,
        "bias": False,
        "add_qkv_bias": True,
        "tie_word_embeddings": True,
        "norm_class_name": "RMSNorm",
        "mlp_class_name": "LLaMAMLP",
        "parallel_residual": False,
        "rotary_percentage": 1.0,
        "asr_adapter": "llamamlp",
        "post_adapter": False,
    }
    model = GPT(Config(**fields, **network)).eval()
    model.load_state_dict(drawn.state_dict(seed, weights.shapes(config)))
    model.device = torch.device("cpu")
    return model, fields


def shifted(ids: Tensor) -> list[Tensor]:
    """Columns of rows [B, T, 8] as the published code takes them: eight of [B, T]."""
    rows = vocabulary.layershift(ids, vocabulary.stream_offsets())
    return [rows[..., stream].clone() for stream in range(vocabulary.STREAMS)]


def record(seed: int, sizes: dict[str, int], frames: int) -> dict[str, Any]:
    from litgpt.generate import base

    model, fields = published(seed, sizes)
    heard = drawn.features(seed, frames, fields["whisper_adapter_dim"])[None]

    def run(function: Any, *tasks: Task) -> Any:
        spoken = tasks[0].heard
        rows = [
            prompts.spoken_prompt(t, frames) if spoken else prompts.typed_prompt(t, TEXT_PROMPT)
            for t in tasks
        ]
        features = heard.repeat(len(tasks), 1, 1) if spoken else None
        names, lengths = [t.value for t in tasks], [frames] * len(tasks)
        model.set_kv_cache(batch_size=len(tasks))
        extra = {} if tasks[0].spoken else {"generate_text": True}
        result = function(
            model, features, shifted(torch.stack(rows)), lengths, names, MAX_TOKENS,
            **ANSWER, **extra,
        )  # fmt: skip
        model.clear_kv_cache()
        return np.array(result, np.int64)

    prompt = shifted(prompts.spoken_prompt(Task.A1A2, frames)[None])
    with torch.no_grad():
        audio, text = model(heard, prompt, None, [frames], [Task.A1A2.value])
    meta = fields | {"seed": seed, "audio_frames": frames, "max_returned_tokens": MAX_TOKENS}
    return {
        "prefill_audio_logits": torch.stack([logits[0, -1] for logits in audio]).numpy(),
        "prefill_text_logits": text[0, -1].numpy(),
        "prefill_text_logits_all_positions_first_64": text[0, :, :64].numpy(),
        "text_prompt": np.array(TEXT_PROMPT),
        "A1A2": run(base.generate_AA, Task.A1A2),
        "T1A2": run(base.generate_TA, Task.T1A2),
        "A1A2_A1T2_batch": run(base.generate_TA_BATCH, Task.A1A2, Task.A1T2),
        "A1T2": run(base.generate_AT, Task.A1T2),
        "A1T1": run(base.generate_ASR, Task.A1T1),
        "T1T2": run(base.generate_TT, Task.T1T2),
        "meta_json": np.frombuffer(json.dumps(meta).encode(), np.uint8),
    }


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[1])
    stub_lightning()
    for seed, sizes in SIZES.items():
        arrays = record(seed, sizes, FRAMES)
        np.savez_compressed(Path(__file__).with_name(f"published_seed{seed}.npz"), **arrays)
