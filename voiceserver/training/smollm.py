"""Reads the thinker's GGUF file into a `transformers` Llama, for writing training text in batches.

This is not the thinker of the engine: it has no slots and streams nothing. It exists so that the
talker's training text is what the thinker really writes.
"""

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

# GGUF block tensor -> Hugging Face Llama submodule.
BLOCK_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
GLOBAL_NAMES = {
    "token_embd.weight": "model.embed_tokens.weight",
    "output_norm.weight": "model.norm.weight",
    "output.weight": "lm_head.weight",
}


def load_thinker(path: Path) -> tuple[LlamaForCausalLM, Any]:
    """The model in float32 and its tokenizer, left-padding, from one GGUF file."""
    reader = gguf.GGUFReader(str(path))
    config = _config(reader)
    weights = {_name(t.name): _tensor(t, config) for t in reader.tensors}
    weights.setdefault("lm_head.weight", weights["model.embed_tokens.weight"])
    model = LlamaForCausalLM(config)
    model.load_state_dict(weights, strict=True)
    tokenizer = AutoTokenizer.from_pretrained(str(path.parent), gguf_file=path.name)
    tokenizer.padding_side = "left"
    model.train(False)
    return model, tokenizer


def _config(reader: gguf.GGUFReader) -> LlamaConfig:
    def field(name: str) -> Any:
        return reader.fields[f"llama.{name}"].contents()

    return LlamaConfig(
        vocab_size=len(reader.fields["tokenizer.ggml.tokens"].contents()),
        hidden_size=field("embedding_length"),
        intermediate_size=field("feed_forward_length"),
        num_hidden_layers=field("block_count"),
        num_attention_heads=field("attention.head_count"),
        num_key_value_heads=field("attention.head_count_kv"),
        max_position_embeddings=field("context_length"),
        rms_norm_eps=field("attention.layer_norm_rms_epsilon"),
        rope_parameters={"rope_type": "default", "rope_theta": field("rope.freq_base")},
        bos_token_id=1,
        eos_token_id=2,
        tie_word_embeddings=True,
    )


def _name(gguf_name: str) -> str:
    if gguf_name in GLOBAL_NAMES:
        return GLOBAL_NAMES[gguf_name]
    _, layer, part, kind = gguf_name.split(".")
    return f"model.layers.{layer}.{BLOCK_NAMES[part]}.{kind}"


def _tensor(tensor: gguf.ReaderTensor, config: LlamaConfig) -> torch.Tensor:
    values = gguf.quants.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
    weight = torch.from_numpy(values)
    if ".attn_q." in tensor.name:
        return _halves_rotary(weight, config.num_attention_heads)
    if ".attn_k." in tensor.name:
        return _halves_rotary(weight, config.num_key_value_heads or config.num_attention_heads)
    return weight


def _halves_rotary(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """GGUF interleaves the two rotary halves of every head; `transformers` keeps them apart."""
    rows, columns = weight.shape  # weight: [heads * head_dim, model]
    split = weight.view(heads, rows // heads // 2, 2, columns)
    return split.transpose(1, 2).reshape(rows, columns).contiguous()
