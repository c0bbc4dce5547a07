"""Philox against the known answers its authors publish (Random123, kat_vectors), and uniforms."""

from __future__ import annotations

import pytest
import torch

from voiceserver.kernels import philox
from voiceserver.kernels.language import jit, tl
from voiceserver.kernels.philox import device_uniform, device_words

ALL = 0xFFFFFFFF
KNOWN_ANSWERS = [
    ((0, 0), (0, 0, 0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ALL, ALL), (ALL, ALL, ALL, ALL), (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0xA4093822, 0x299F31D0),
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


def _key(low: int, high: int, device: torch.device) -> torch.Tensor:
    whole = low | high << 32
    return torch.tensor([whole - (1 << 64) if whole >> 63 else whole], device=device)


@pytest.mark.parametrize(("key", "counter", "answer"), KNOWN_ANSWERS)
def test_known_answers(
    device: torch.device,
    key: tuple[int, int],
    counter: tuple[int, int, int, int],
    answer: tuple[int, int, int, int],
) -> None:
    words = philox.words(_key(*key, device), *counter)
    assert tuple(int(word) for word in words) == answer
    tensors = [torch.tensor([word], device=device) for word in counter]
    assert tuple(int(word) for word in philox.words(_key(*key, device), *tensors)) == answer


@jit
def _kernel(
    key_pointer: tl.tensor, counters_pointer: tl.tensor, out_pointer: tl.tensor, uniform: tl.tensor
) -> None:
    lane = tl.arange(0, 4)
    counters = counters_pointer + lane * 4
    words = device_words(
        tl.load(key_pointer),
        tl.load(counters),
        tl.load(counters + 1),
        tl.load(counters + 2),
        tl.load(counters + 3),
    )
    tl.store(out_pointer + lane * 4, words[0].to(tl.int64))
    tl.store(out_pointer + lane * 4 + 1, words[1].to(tl.int64))
    tl.store(out_pointer + lane * 4 + 2, words[2].to(tl.int64))
    tl.store(out_pointer + lane * 4 + 3, words[3].to(tl.int64))
    tl.store(uniform + lane, device_uniform(words[0]))


def test_kernel_equals_twin(device: torch.device) -> None:
    for key, known, _ in KNOWN_ANSWERS:
        counters = torch.tensor([known, (1, 2, 3, 4), (5, 0, 0, 1), (0, 0, 0, 1)], device=device)
        out = torch.empty(4, 4, dtype=torch.int64, device=device)
        uniform = torch.empty(4, device=device)
        _kernel[(1,)](_key(*key, device), counters, out, uniform)
        words = philox.words(_key(*key, device), *counters.unbind(1))
        assert torch.equal(out, torch.stack(words, 1))
        assert torch.equal(uniform, philox.uniform(words[0]))


def test_uniform_is_never_0_or_1(device: torch.device) -> None:
    ends = philox.uniform(torch.tensor([0, ALL], device=device))
    assert ends.tolist() == [2.0**-24, 1 - 2.0**-24]


def test_uniform_fills_its_range_evenly(device: torch.device) -> None:
    index = torch.arange(100_000, device=device)
    for word in philox.words(torch.tensor([7], device=device), index, 0, 0, 0):
        counts = torch.histc(philox.uniform(word), 100, 0, 1)
        chi_square = ((counts - 1000) ** 2 / 1000).sum().item()
        assert 60 < chi_square < 149  # 99 degrees of freedom: all but 1 in 1000 either side
