"""The yardstick: Mini-Omni as its published code runs it, one session in plain float32.

Written by us to that code's structure, which is what makes it slow: eight embeddings one by one,
norms and rotary embedding in small operations, keys and values widened to all query heads before
they are cached, attention over all positions behind a mask, both rows at every step, the text head
to the end, and every head sampled by itself with a read on the host.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from voiceserver.nn.mini_omni import prompts, vocabulary
from voiceserver.nn.mini_omni.config import MiniOmniConfig
from voiceserver.nn.mini_omni.prompts import Task
from voiceserver.nn.mini_omni.vocabulary import (
    AUDIO_STREAMS,
    AUDIO_VOCABULARY,
    EOT,
    PAD_A,
    PAD_T,
    TEXT_STREAM,
    TEXT_VOCABULARY,
)

TEMPERATURE, BEST = 0.9, 1  # the published settings; with one candidate they are greedy
ROWS = 2


class ReferenceLoop:
    """Answers one spoken prompt at a time by batch-parallel decoding, step by step."""

    def __init__(
        self, config: MiniOmniConfig, state: Mapping[str, Tensor], device: torch.device
    ) -> None:
        self._config, self._device = config, device
        self._state = {key: tensor.to(device, torch.float32) for key, tensor in state.items()}
        length, heads, dim = config.positions, config.heads, config.head_dim
        self._cache = [  # of each layer its keys and its values
            torch.zeros(2, ROWS, heads, length, dim, device=device) for _ in range(config.layers)
        ]
        self._mask = torch.ones(length, length, dtype=torch.bool, device=device).tril()
        frequency = config.rope_base ** (-torch.arange(0, dim, 2, device=device).float() / dim)
        angle = torch.outer(torch.arange(length, device=device).float(), frequency).repeat(1, 2)
        self._cos, self._sin = angle.cos(), angle.sin()  # [T, d]
        self._position = 0
        self._text_ended = False

    @torch.inference_mode()
    def start(self, features: Tensor) -> list[int]:
        """Read a spoken prompt, features [m, whisper]; the first column: [8]"""
        tasks = (Task.A1A2, Task.A1T2)
        rows = torch.stack([prompts.spoken_prompt(task, len(features)) for task in tasks])
        self._position, self._text_ended = 0, False
        return self._sample(*self._forward(rows, features.to(self._device)))

    @torch.inference_mode()
    def step(self, column: list[int]) -> list[int]:
        """Feed a column to both rows; the next: [8]"""
        spoken, text = column[:TEXT_STREAM], column[TEXT_STREAM]
        rows = torch.tensor([[[*spoken, text]], [[*[PAD_A] * AUDIO_STREAMS, text]]])
        following = self._sample(*self._forward(rows, None))
        if self._text_ended:
            following[TEXT_STREAM] = PAD_T
        if following[TEXT_STREAM] == EOT:
            self._text_ended = True
        return following

    def _forward(self, rows: Tensor, features: Tensor | None) -> tuple[list[Tensor], Tensor]:
        """rows: [2, T, 8]; logits of each audio stream [2, T, 4160] and of text [2, T, 152000]"""
        count = rows.shape[1]
        at = torch.arange(self._position, self._position + count, device=self._device)
        x = self._embed(rows, features)
        mask = self._mask.index_select(0, at)  # [T, positions]
        cos, sin = self._cos.index_select(0, at), self._sin.index_select(0, at)
        for index in range(self._config.layers):
            name = f"transformer.h.{index}"
            normed = self._norm(x, f"{name}.norm_1")
            x = x + self._attend(index, normed, cos, sin, mask, at)
            x = x + self._swiglu(self._norm(x, f"{name}.norm_2"), f"{name}.mlp")
        self._position += count
        logits = F.linear(self._norm(x, "transformer.ln_f"), self._state["lm_head.weight"])
        audio = [
            logits[..., begin : begin + AUDIO_VOCABULARY]
            for begin in range(TEXT_VOCABULARY, vocabulary.VOCABULARY, AUDIO_VOCABULARY)
        ]
        return audio, logits[..., :TEXT_VOCABULARY]

    def _embed(self, rows: Tensor, features: Tensor | None) -> Tensor:
        """[2, T, 8] -> [2, T, D]"""
        total: Tensor | None = None
        for stream in range(vocabulary.STREAMS):
            shift = 0
            if stream < AUDIO_STREAMS:
                shift = TEXT_VOCABULARY + stream * AUDIO_VOCABULARY
            ids = (rows[..., stream] + shift).to(self._device)
            x = F.embedding(ids, self._state["transformer.wte.weight"])
            if features is not None and stream < AUDIO_STREAMS:
                adapted = self._swiglu(features, "whisper_adapter")
                x[:, prompts.FEATURES_AT : prompts.FEATURES_AT + len(features)] = adapted
            total = x if total is None else total + x
        assert total is not None
        return total / vocabulary.STREAMS

    def _attend(
        self, index: int, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, at: Tensor
    ) -> Tensor:
        """x: [2, T, D], cos, sin: [T, d], mask: [T, positions], at: [T] -> [2, T, D]"""
        config, name = self._config, f"transformer.h.{index}.attn"
        count, groups = x.shape[1], config.kv_heads
        queries = config.heads // groups
        qkv = F.linear(x, self._state[f"{name}.attn.weight"], self._state[f"{name}.attn.bias"])
        qkv = qkv.view(ROWS, count, groups, queries + 2, config.head_dim).permute(0, 2, 3, 1, 4)
        query, key, value = torch.split(qkv, [queries, 1, 1], dim=2)  # [2, groups, ., T, d]
        wide = (ROWS, groups, queries, count, config.head_dim)
        every_head = (ROWS, config.heads, count, config.head_dim)
        query = _rotate(query.reshape(every_head), cos, sin)
        key = _rotate(key.expand(wide).reshape(every_head), cos, sin)
        value = value.expand(wide).reshape(every_head)
        keys, values = self._cache[index]
        keys.index_copy_(2, at, key)
        values.index_copy_(2, at, value)
        mixed = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask[None, None])
        mixed = mixed.transpose(1, 2).reshape(ROWS, count, config.attention_dim)
        return F.linear(mixed, self._state[f"{name}.proj.weight"])

    def _swiglu(self, x: Tensor, name: str) -> Tensor:
        gate = F.linear(x, self._state[f"{name}.fc_1.weight"])
        up = F.linear(x, self._state[f"{name}.fc_2.weight"])
        return F.linear(F.silu(gate) * up, self._state[f"{name}.proj.weight"])

    def _norm(self, x: Tensor, name: str) -> Tensor:
        mean = torch.mean(x * x, dim=-1, keepdim=True)
        normed = x * torch.rsqrt(mean + self._config.norm_epsilon)
        return normed * self._state[f"{name}.weight"]

    def _sample(self, audio: list[Tensor], text: Tensor) -> list[int]:
        """The speaking row's audio and the writing row's text, head by head: [8]"""
        heads = [logits[0, -1] for logits in audio] + [text[1, -1]]
        return [_sampled(logits) for logits in heads]


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """[2, H, T, d], two of [T, d]"""
    half = x.shape[-1] // 2
    turned = torch.cat((-x[..., half:], x[..., :half]), dim=-1)
    return x * cos + turned * sin


def _sampled(logits: Tensor) -> int:
    """One id of [V], as the published code draws it, brought to the host."""
    values, index = torch.topk(logits, BEST)
    kept = torch.full_like(logits, float("-inf")).scatter_(-1, index, values)
    probabilities = F.softmax(kept / TEMPERATURE, dim=-1)
    return int(torch.multinomial(probabilities, num_samples=1).item())
