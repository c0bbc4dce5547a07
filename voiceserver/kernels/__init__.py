"""The ops of a decode step: a Triton kernel on CUDA, its torch twin elsewhere.

Each file holds one op: its contract, `naive` in torch (the oracle, and what runs on a CPU) and
`fused` in Triton, with one signature. VOICESERVER_KERNELS=torch|triton overrides the choice.
"""

from __future__ import annotations

from voiceserver.kernels import (
    activation,
    attention,
    convolution,
    embedding,
    gate,
    noise,
    norm,
    rope,
    sampling,
)
from voiceserver.kernels.dispatch import dispatched, forced, uses_triton

add_rms_norm = dispatched(norm.naive, norm.fused)
rope_append = dispatched(rope.naive, rope.fused)
decode_attention = dispatched(attention.naive, attention.fused)
swiglu = dispatched(gate.naive, gate.fused)
embedding_mean = dispatched(embedding.naive, embedding.fused)
sample_heads = dispatched(sampling.naive, sampling.fused)
snake = dispatched(activation.naive, activation.fused)
snake_conv = dispatched(convolution.naive, convolution.fused)
normal_noise = dispatched(noise.naive, noise.fused)

__all__ = [
    "add_rms_norm",
    "decode_attention",
    "embedding_mean",
    "forced",
    "normal_noise",
    "rope_append",
    "sample_heads",
    "snake",
    "snake_conv",
    "swiglu",
    "uses_triton",
]
