"""The shape of a Mini-Omni, from a checkpoint's yaml or from the shapes of its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from voiceserver.errors import AssetError
from voiceserver.nn.mini_omni.vocabulary import VOCABULARY

# What the network below does, and what a yaml may therefore say of it or leave out.
FIXED = {
    "padded_vocab_size": VOCABULARY,
    "rotary_percentage": 1.0,
    "rope_condense_ratio": 1,
    "norm_class_name": "RMSNorm",
    "mlp_class_name": "LLaMAMLP",
    "parallel_residual": False,
    "shared_attention_norm": False,
    "bias": False,
    "add_qkv_bias": True,
    "lm_head_bias": False,
    "scale_embeddings": False,
    "asr_adapter": "llamamlp",
}


@dataclass(frozen=True)
class MiniOmniConfig:
    """Sizes of the language model and of the adapter before it."""

    layers: int
    model_dim: int
    hidden_dim: int
    heads: int
    kv_heads: int
    head_dim: int
    whisper_dim: int
    positions: int = 2048
    rope_base: float = 1e6
    norm_epsilon: float = 1e-6

    @property
    def qkv_dim(self) -> int:
        return (self.heads + 2 * self.kv_heads) * self.head_dim

    @property
    def attention_dim(self) -> int:
        return self.heads * self.head_dim

    @classmethod
    def from_yaml(cls, fields: Mapping[str, Any]) -> MiniOmniConfig:
        """From the fields of `model_config.yaml`, which must ask for this network."""
        for name, value in FIXED.items():
            if name in fields and fields[name] != value:
                raise AssetError(f"model_config.yaml: {name} is {fields[name]!r}, not {value!r}")
        try:
            heads, model_dim = int(fields["n_head"]), int(fields["n_embd"])
            return cls(
                layers=int(fields["n_layer"]),
                model_dim=model_dim,
                hidden_dim=int(fields["intermediate_size"]),
                heads=heads,
                kv_heads=int(fields.get("n_query_groups") or heads),
                head_dim=int(fields.get("head_size") or model_dim // heads),
                whisper_dim=int(fields.get("whisper_adapter_dim", 768)),
                positions=int(fields.get("block_size", cls.positions)),
                rope_base=float(fields.get("rope_base", cls.rope_base)),
                norm_epsilon=float(fields.get("norm_eps", cls.norm_epsilon)),
            )
        except KeyError as error:
            raise AssetError(f"model_config.yaml: {error.args[0]} is missing") from error
        except (TypeError, ValueError) as error:
            raise AssetError(f"model_config.yaml: {error}") from error

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Tensor], kv_heads: int = 2) -> MiniOmniConfig:
        """From the weights alone; how many heads share their keys is not to be seen in them."""
        try:
            first = "transformer.h.0"
            qkv_dim, model_dim = state[f"{first}.attn.attn.weight"].shape
            attention_dim = state[f"{first}.attn.proj.weight"].shape[1]
            hidden_dim = state[f"{first}.mlp.fc_1.weight"].shape[0]
            whisper_dim = state["whisper_adapter.fc_1.weight"].shape[1]
        except (KeyError, ValueError, IndexError) as error:
            raise AssetError(f"not the weights of a Mini-Omni: {error}") from error
        head_dim, left = divmod(qkv_dim - attention_dim, 2 * kv_heads)
        if left or head_dim < 2 or head_dim % 2 or attention_dim % head_dim:
            raise AssetError(f"no {kv_heads} key heads in a projection of {qkv_dim} rows")
        layers = {key.split(".")[2] for key in state if key.startswith("transformer.h.")}
        heads = attention_dim // head_dim
        return cls(len(layers), model_dim, hidden_dim, heads, kv_heads, head_dim, whisper_dim)
