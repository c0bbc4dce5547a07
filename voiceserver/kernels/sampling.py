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
from voiceserver.kernels.exact_log import device_log
from voiceserver.kernels.language import jit, power_of_2, tl
from voiceserver.kernels.philox import device_uniform, device_words

LARGEST_TOP_K = 128
_ONE_TILE = 8192  # a head of up to this many logits is drawn from in one program
_TILE = 4096  # of a larger head


def naive(
    logits: Tensor,  # [N, H, V], any float type
    temperature: Tensor,  # [N], float32
    top_k: int,
    seeds: Tensor,  # [N], int64
    steps: Tensor,  # [N], integer
    first_head: int,  # which head H = 0 is, for the random numbers
) -> Tensor:
    """Drawn ids: [N, H], int64."""
    assert 0 <= top_k <= LARGEST_TOP_K, f"top_k {top_k}"
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


def fused(
    logits: Tensor,
    temperature: Tensor,
    top_k: int,
    seeds: Tensor,
    steps: Tensor,
    first_head: int,
) -> Tensor:
    """As `naive`. A large head is cut into tiles: each lists its own k largest logits, then each
    finds the k-th largest of all lists and draws, then the best tile wins."""
    assert 0 <= top_k <= LARGEST_TOP_K, f"top_k {top_k}"
    count, heads, vocabulary = logits.shape
    assert logits.stride(2) == 1, "logits of a head must lie together"
    greedy = top_k == 1
    selects = 1 < top_k < vocabulary
    block = power_of_2(vocabulary) if vocabulary <= _ONE_TILE else _TILE
    tiles = -(-vocabulary // block)
    ids = torch.empty(count, heads, dtype=torch.int64, device=logits.device)
    scores, indices, lists = temperature, ids, temperature
    if tiles > 1:
        scores = torch.empty(count, heads, tiles, dtype=torch.float32, device=logits.device)
        indices = torch.empty(count, heads, tiles, dtype=torch.int64, device=logits.device)
    if tiles > 1 and selects:
        lists = torch.empty(count, heads, tiles, top_k, dtype=torch.float32, device=logits.device)
        _list_kernel[(count, heads, tiles)](
            logits,
            temperature,
            lists,
            logits.stride(0),
            logits.stride(1),
            VOCABULARY=vocabulary,
            TOP_K=top_k,
            BLOCK=block,
            BLOCK_LIST=power_of_2(top_k),
            num_warps=8,
        )
    _draw_kernel[(count, heads, tiles)](
        logits,
        temperature,
        seeds,
        steps,
        lists,
        scores,
        indices,
        logits.stride(0),
        logits.stride(1),
        first_head,
        VOCABULARY=vocabulary,
        GREEDY=greedy,
        TOP_K=top_k if selects else 0,
        TILES=tiles,
        BLOCK=block,
        BLOCK_LISTS=power_of_2(tiles * max(top_k, 1)),
        num_warps=max(1, block // 512),
        enable_fp_fusion=False,
    )
    if tiles > 1:
        _pick_kernel[(count, heads)](
            scores, indices, ids, VOCABULARY=vocabulary, TILES=tiles, BLOCK=power_of_2(tiles)
        )
    return ids


@jit
def _kth_largest(values: tl.tensor, TOP_K: tl.constexpr) -> tl.tensor:
    """The k-th largest of a block of float32, found bit by bit; exact."""
    bits = values.to(tl.int32, bitcast=True)
    # Unsigned integers in the order of the floats: all bits of a negative one are flipped.
    keys = (bits ^ ((bits >> 31) | -0x80000000)).to(tl.uint32, bitcast=True)
    found = tl.full([], 0, tl.uint32)
    one = tl.full([], 1, tl.uint32)
    for bit in range(32):
        trial = found | (one << (31 - bit))
        found = tl.where(tl.sum((keys >= trial).to(tl.int32)) >= TOP_K, trial, found)
    found = tl.where(found >= 0x80000000, found ^ 0x80000000, found ^ 0xFFFFFFFF)
    return found.to(tl.float32, bitcast=True)


@jit
def _list_kernel(
    logits_pointer: tl.tensor,
    temperature_pointer: tl.tensor,
    lists_pointer: tl.tensor,  # [N, H, tiles, k]
    row_stride: tl.tensor,
    head_stride: tl.tensor,
    VOCABULARY: tl.constexpr,
    TOP_K: tl.constexpr,
    BLOCK: tl.constexpr,
    BLOCK_LIST: tl.constexpr,
) -> None:
    """The k largest logits of a tile, in any order."""
    row, head, tile = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
    if tl.load(temperature_pointer + row) > 0:
        index = tile * BLOCK + tl.arange(0, BLOCK)
        source = logits_pointer + row * row_stride + head * head_stride + index
        logits = tl.load(source, index < VOCABULARY, -float("inf")).to(tl.float32)
        threshold = _kth_largest(logits, TOP_K)
        larger = logits > threshold
        place = (row * tl.num_programs(1) + head) * tl.num_programs(2) + tile
        target = lists_pointer + place * TOP_K
        tl.store(target + tl.cumsum(larger.to(tl.int32), 0) - 1, logits, larger)
        rest = tl.arange(0, BLOCK_LIST)
        missing = (rest >= tl.sum(larger.to(tl.int32))) & (rest < TOP_K)
        tl.store(target + rest, tl.zeros([BLOCK_LIST], tl.float32) + threshold, missing)


@jit
def _draw_kernel(
    logits_pointer: tl.tensor,
    temperature_pointer: tl.tensor,
    seeds_pointer: tl.tensor,
    steps_pointer: tl.tensor,
    lists_pointer: tl.tensor,
    scores_pointer: tl.tensor,  # [N, H, tiles], not written if there is one tile
    indices_pointer: tl.tensor,  # likewise
    row_stride: tl.tensor,
    head_stride: tl.tensor,
    first_head: tl.tensor,
    VOCABULARY: tl.constexpr,
    GREEDY: tl.constexpr,
    TOP_K: tl.constexpr,
    TILES: tl.constexpr,
    BLOCK: tl.constexpr,
    BLOCK_LISTS: tl.constexpr,
) -> None:
    """The best index of a tile."""
    row, head, tile = tl.program_id(0).to(tl.int64), tl.program_id(1), tl.program_id(2)
    index = tile * BLOCK + tl.arange(0, BLOCK)
    source = logits_pointer + row * row_stride + head * head_stride + index
    scores = tl.load(source, index < VOCABULARY, -float("inf")).to(tl.float32)
    place = row * tl.num_programs(1) + head
    temperature = tl.load(temperature_pointer + row)
    if not GREEDY:  # noqa: SIM102  # known when compiling, unlike the temperature
        if temperature > 0:
            if TOP_K > 0:
                candidates = scores
                if TILES > 1:
                    lane = tl.arange(0, BLOCK_LISTS)
                    lists = lists_pointer + place * TILES * TOP_K + lane
                    candidates = tl.load(lists, lane < TILES * TOP_K, -float("inf"))
                scores = tl.where(scores >= _kth_largest(candidates, TOP_K), scores, -float("inf"))
            seed = tl.load(seeds_pointer + row)
            step = tl.load(steps_pointer + row)
            word, _, _, _ = device_words(seed, index, head + first_head, step, 0)
            gumbel = -device_log(-device_log(device_uniform(word)))
            scores = scores * tl.div_rn(1.0, temperature) + gumbel
    scores = tl.where(index < VOCABULARY, scores, -float("inf"))
    best = tl.max(scores)
    winner = tl.min(tl.where(scores == best, index, VOCABULARY - 1)).to(tl.int64)
    if TILES > 1:
        tl.store(scores_pointer + place * TILES + tile, best)
    tl.store(indices_pointer + place * TILES + tile, winner)


@jit
def _pick_kernel(
    scores_pointer: tl.tensor,
    indices_pointer: tl.tensor,
    ids_pointer: tl.tensor,
    VOCABULARY: tl.constexpr,
    TILES: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    """The best of all tiles, the lowest index among equals."""
    place = tl.program_id(0).to(tl.int64) * tl.num_programs(1) + tl.program_id(1)
    tile = tl.arange(0, BLOCK)
    scores = tl.load(scores_pointer + place * TILES + tile, tile < TILES, -float("inf"))
    indices = tl.load(indices_pointer + place * TILES + tile, tile < TILES, VOCABULARY - 1)
    winner = tl.min(tl.where(scores == tl.max(scores), indices, VOCABULARY - 1))
    tl.store(ids_pointer + place, winner)
