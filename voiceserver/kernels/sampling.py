"""One token of every head of every row, drawn in one go, without a sort or a host read.

Temperature 0 (or top_k 1) takes the largest logit, the lowest index among equals. Else all logits
that are at least the k-th largest take part (top_k 0: all), and the largest of

    logit / temperature - log(-log(u))        (Gumbel noise: a draw from their softmax)

wins, where u is Philox with key seeds[n] and counter (index, head, steps[n]). All of it rounds the
same on every device, so a session's tokens depend on its logits, seed and step alone.
"""

from __future__ import annotations

import torch
from torch import Tensor

from voiceserver.kernels import exact_log, philox


def naive(
    logits: Tensor,  # [N, H, V], any float type
    temperature: Tensor,  # [N], float32
    top_k: int,
    seeds: Tensor,  # [N], int64
    steps: Tensor,  # [N], integer
    first_head: int,  # which head H = 0 is, for the random numbers
) -> Tensor:
    """Drawn ids: [N, H], int64."""
    greedy = logits.argmax(dim=-1)
    on_host = not logits.is_cuda
    if top_k == 1 or (on_host and not bool((temperature > 0).any())):
        return greedy
    scores, index = _candidates(logits.float(), top_k)  # two of [N, H, C]
    heads = torch.arange(first_head, first_head + logits.shape[1], device=logits.device)
    word, *_ = philox.words(
        seeds[:, None, None],
        index,
        heads[:, None],
        steps[:, None, None].long(),
        philox.FOR_TOKENS,
    )
    gumbel = -exact_log.log(-exact_log.log(philox.uniform(word)))
    heat = torch.where(temperature > 0, temperature, 1.0)[:, None, None]
    scores = scores * (1.0 / heat) + gumbel
    best = scores.amax(dim=-1, keepdim=True)
    drawn = torch.where(scores == best, index, logits.shape[-1] - 1).amin(dim=-1)
    return torch.where(temperature[:, None] > 0, drawn, greedy)


def _candidates(logits: Tensor, top_k: int) -> tuple[Tensor, Tensor]:
    """Logits that may win, the others -inf, and their indices: two of [N, H, C]."""
    vocabulary = logits.shape[-1]
    everything = torch.arange(vocabulary, device=logits.device).expand(logits.shape)
    if not 0 < top_k < vocabulary:
        return logits, everything
    best = logits.topk(top_k)
    threshold = best.values[..., -1:]  # [N, H, 1]
    taking_part = logits >= threshold
    if logits.is_cuda:
        return logits.masked_fill(~taking_part, -torch.inf), everything
    most = int(taking_part.sum(dim=-1).max())  # more than top_k where several equal the threshold
    if most > top_k:
        best = logits.topk(most)
    return best.values.masked_fill(best.values < threshold, -torch.inf), best.indices
