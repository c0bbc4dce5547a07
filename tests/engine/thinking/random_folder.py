"""Checkpoint folders of small language models with random weights, written by transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WITH_TOOLS = (
    "{% if tools %}{% for t in tools %}<tools>{{ t.function.name }}</tools>{% endfor %}{% endif %}"
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}"
    "{% for c in m.tool_calls or [] %}<tool_call>{{ c.function | tojson }}</tool_call>{% endfor %}"
    "<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
CONTROLS = ["<|end|>", "<|im_start|>", "<|im_end|>"]
SIZES: dict[str, Any] = {
    "vocab_size": 256 + len(CONTROLS),
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
}


def tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    bare = Tokenizer(models.BPE({byte: i for i, byte in enumerate(alphabet)}, []))
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bare.decoder = decoders.ByteLevel()
    bare.add_special_tokens(CONTROLS)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=bare, eos_token="<|im_end|>", additional_special_tokens=CONTROLS[:2]
    )
    return fast


def random_folder(folder: Path, kind: str, *, template: str | None = TEMPLATE) -> Path:
    """A model of kind llama or qwen2."""
    torch.manual_seed(0)
    model: Any
    if kind == "llama":
        model = LlamaForCausalLM(LlamaConfig(**SIZES, rope_theta=10_000.0))
    else:
        model = Qwen2ForCausalLM(Qwen2Config(**SIZES))
    for parameter in model.parameters():  # as initialised, all logits would be about the same
        torch.nn.init.normal_(parameter, std=0.3)
    model.generation_config.eos_token_id = SIZES["vocab_size"] - 1
    model.save_pretrained(folder)
    written = tokenizer()
    written.chat_template = template
    written.save_pretrained(folder)
    return folder
