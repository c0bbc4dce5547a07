"""The static card: bytes from the published sizes, and the bandwidth behind the floor."""

from __future__ import annotations

import math

import pytest
import torch

from voiceserver.bench.mini_omni import card
from voiceserver.bench.mini_omni.subject import PUBLISHED, REDUCED, random_state
from voiceserver.nn.mini_omni import weights

CPU = torch.device("cpu")


def test_bytes_of_a_step_are_those_of_the_published_network() -> None:
    parts = card.step_bytes(PUBLISHED, 2, 2, rows=2, context=512)
    assert parts.text_head == 272_384_000
    assert parts.audio_heads == 52_183_040
    assert parts.blocks == pytest.approx(2 * 357.9e6, rel=1e-3)
    assert parts.kv == 2 * 512 * 12_288
    assert parts.total == parts.blocks + parts.text_head + parts.audio_heads + parts.kv


def test_after_the_text_its_head_is_not_read() -> None:
    silent = card.step_bytes(PUBLISHED, 2, 2, rows=1, context=1, writes=False)
    assert silent.text_head == 0


def test_a_slot_has_two_rows_of_two_heads() -> None:
    assert card.slot_bytes(PUBLISHED, 2) == 2 * 2048 * 24 * 2 * 2 * 64 * 2


def test_published_sizes_are_the_published_parameters() -> None:
    shapes = weights.shapes(PUBLISHED)
    shapes.pop(weights.HEAD)  # tied
    assert sum(math.prod(shape) for shape in shapes.values()) == pytest.approx(532.0e6, rel=1e-3)


def test_floor_is_bytes_over_bandwidth() -> None:
    assert card.Bandwidth(2e9, "somewhere").floor_ms(4e6) == 2.0


def test_a_cpu_is_measured() -> None:
    found = card.measured_bandwidth(CPU, size_bytes=2**22)
    assert "measured" in found.source
    assert 1e8 < found.bytes_per_s < 1e13


@pytest.mark.parametrize(
    ("name", "terabytes_per_s"),
    [
        ("NVIDIA H100 80GB HBM3", 3.35),
        ("NVIDIA H100 PCIe", 2.0),
        ("NVIDIA H200", 4.8),
        ("NVIDIA L40S", 0.864),
        ("NVIDIA A100-SXM4-80GB", 2.039),
    ],
)
def test_a_known_gpu_has_the_bandwidth_of_its_data_sheet(
    monkeypatch: pytest.MonkeyPatch, name: str, terabytes_per_s: float
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: name)
    found = card.bandwidth(torch.device("cuda"))
    assert found.bytes_per_s == pytest.approx(terabytes_per_s * 1e12)
    assert "data sheet" in found.source


def test_card_of_a_model_on_a_cpu() -> None:
    facts = card.model_card(PUBLISHED, CPU, rows=2, context=100)
    assert facts["weights"] == "int8"
    assert facts["text head"] == "136.2 MB"
    assert facts["device"] == "cpu"
    assert "floor of a step" in facts


def test_random_weights_are_tied_and_the_same_in_every_run() -> None:
    first, second = random_state(REDUCED), random_state(REDUCED)
    weights.check(REDUCED, first)
    assert first[weights.HEAD] is first[weights.TABLE]
    assert all(torch.equal(first[key], second[key]) for key in first)
