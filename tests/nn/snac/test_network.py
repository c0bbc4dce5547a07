"""The whole decoder equals the published package, at any size."""

from typing import Any

import pytest
import torch

from voiceserver.nn.snac import SNAC_24KHZ, Snac
from voiceserver.nn.snac.config import config_from
from voiceserver.nn.snac.streaming import split_codes

from .oracle import CONFIGS, FULL, package, pin_noise, random_codes

SEEDS = torch.tensor([11, -5])


@pytest.mark.parametrize("content", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("frames", [1, 3])
def test_it_equals_the_package(content: dict[str, Any], frames: int) -> None:
    reference, state = package(content)
    config = config_from(content)
    codes = split_codes(random_codes(config, 2, frames), config.codes_per_frame)
    with torch.inference_mode():
        expected = reference.decode(codes)[:, 0]
    assert expected.std() > 0.01
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5)):
        made = Snac(config, state, dtype=dtype).decode(codes)
        torch.testing.assert_close(made.double(), expected, rtol=0, atol=tolerance)


@pytest.mark.parametrize("content", [CONFIGS["24 kHz"], CONFIGS["dense"]], ids=["24 kHz", "dense"])
def test_it_equals_the_package_with_the_same_noise(content: dict[str, Any]) -> None:
    reference, state = package(content)
    config = config_from(content)
    codes = split_codes(random_codes(config, 2, 2), config.codes_per_frame)
    pin_noise(reference, SEEDS)
    with torch.inference_mode():
        expected = reference.decode(codes)[:, 0]
    ours = Snac(config, state, dtype=torch.float64)
    torch.testing.assert_close(ours.decode(codes, SEEDS), expected, rtol=0, atol=1e-12)
    assert (ours.decode(codes) - expected).abs().max() > 0.01


def test_it_equals_the_package_at_full_size() -> None:
    reference, state = package(FULL)
    codes = split_codes(random_codes(SNAC_24KHZ, 1, 2), SNAC_24KHZ.codes_per_frame)
    with torch.inference_mode():
        expected = reference.decode(codes)[:, 0]
    ours = Snac(config_from(FULL), state)
    assert ours.config == SNAC_24KHZ
    torch.testing.assert_close(ours.decode(codes).double(), expected, rtol=0, atol=1e-5)


def test_noise_is_that_of_the_place_in_the_utterance() -> None:
    """A window from the middle draws what the whole drew there."""
    config = config_from(CONFIGS["24 kHz"])
    ours = Snac.random(config, dtype=torch.float64)
    codes = random_codes(config, 1, 9)
    whole = ours.decode(split_codes(codes, config.codes_per_frame), SEEDS[:1])
    window = split_codes(codes[:, 1:8], config.codes_per_frame)
    part = ours.decode(window, SEEDS[:1], torch.tensor([config.frame_latents]))
    frame = config.frame_samples  # context reaches less than three frames
    torch.testing.assert_close(part[:, 3 * frame : 4 * frame], whole[:, 4 * frame : 5 * frame])
