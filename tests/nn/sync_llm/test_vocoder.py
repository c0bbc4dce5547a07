from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from voiceserver.bench.sync_llm.random_checkpoint import Sizes, _drawn, vocoder_config
from voiceserver.errors import AssetError
from voiceserver.nn.sync_llm.vocoder import UnitHifiGan, VocoderShape, shapes

CPU = torch.device("cpu")


def made(**changes: Any) -> tuple[VocoderShape, dict[str, Tensor]]:
    shape = VocoderShape.from_json(vocoder_config(Sizes()) | changes)
    return shape, _drawn(shapes(shape), 3, weight=0.05)


def by_hand(shape: VocoderShape, state: dict[str, Tensor], units: Tensor, speaker: int) -> Tensor:
    """The same in torch's modules with its own weight norm, as the published code has it."""

    def normed(module: nn.Module, name: str) -> nn.Module:
        module = nn.utils.weight_norm(module)
        with torch.no_grad():
            for key in ("weight_g", "weight_v", "bias"):
                getattr(module, key).copy_(state[f"{name}.{key}"])
        return module

    def leaky(x: Tensor, slope: float = 0.1) -> Tensor:
        return nn.functional.leaky_relu(x, slope)

    x = nn.functional.embedding(units, state["dict.weight"]).transpose(1, 2)
    voice = state["spkr.weight"][speaker][None, :, None].repeat(len(units), 1, x.shape[-1])
    x = torch.cat([x, voice], 1)
    x = normed(nn.Conv1d(shape.input_dim, shape.channels, 7, padding=3), "conv_pre")(x)
    channels, block = shape.channels, 0
    for level, (rate, kernel) in enumerate(zip(shape.rates, shape.kernels, strict=True)):
        up = nn.ConvTranspose1d(channels, channels // 2, kernel, rate, padding=(kernel - rate) // 2)
        x = normed(up, f"ups.{level}")(leaky(x))
        channels //= 2
        total = torch.zeros_like(x)
        for size, dilations in zip(shape.block_kernels, shape.dilations, strict=True):
            y = x
            for place, d in enumerate(dilations):
                name = f"resblocks.{block}"
                one = nn.Conv1d(channels, channels, size, dilation=d, padding=d * (size - 1) // 2)
                two = nn.Conv1d(channels, channels, size, padding=(size - 1) // 2)
                z = normed(one, f"{name}.convs1.{place}")(leaky(y))
                y = normed(two, f"{name}.convs2.{place}")(leaky(z)) + y
            total = total + y
            block += 1
        x = total / len(shape.block_kernels)
    x = normed(nn.Conv1d(channels, 1, 7, padding=3), "conv_post")(leaky(x, 0.01))
    return torch.tanh(x).squeeze(1)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_sound_is_that_of_torchs_modules() -> None:
    shape, state = made()
    units = torch.tensor([[1, 2, 2, 500, 7], [0, 0, 3, 9, 9]])
    mine = UnitHifiGan(shape, state, CPU, speaker=2)(units)
    assert mine.shape == (2, 5 * 640)
    with torch.inference_mode():
        torch.testing.assert_close(mine, by_hand(shape, state, units, 2), atol=1e-5, rtol=1e-4)


def test_nothing_past_its_reach_is_heard() -> None:
    shape, state = made()
    vocoder = UnitHifiGan(shape, state, CPU)
    reach = shape.reach()
    units = torch.arange(2 * reach + 4)[None]
    other = units.clone()
    other[0, -1] = 77
    clean, changed = vocoder(units)[0], vocoder(other)[0]
    heard_from = (len(units[0]) - 1 - reach) * 640
    torch.testing.assert_close(clean[:heard_from], changed[:heard_from])
    # And the reach is no idle one: a tenth of it would not do.
    near = (len(units[0]) - 1) * 640 - 64
    assert not torch.allclose(clean[near:], changed[near:])


def test_styles_stand_beside_the_speaker() -> None:
    shape, state = made(multistyle="from_input_file", num_styles=4, model_in_dim=48)
    units = torch.tensor([[1, 2, 3]])
    sounds = [UnitHifiGan(shape, state, CPU, style=style)(units) for style in (0, 3)]
    assert not torch.allclose(*sounds)
    with pytest.raises(AssetError, match="4 styles, there is none numbered 4"):
        UnitHifiGan(shape, state, CPU, style=4)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"f0": True}, "f0 is True"),
        ({"num_f0_tokens": 64}, "only units"),
        ({"resblock": "2"}, "resblock"),
        ({"upsample_rates": [5, 4, 4, 2, 2]}, "320 samples a unit"),
        ({"sampling_rate": 24_000}, "at 24000 Hz"),
        ({"model_in_dim": 80}, "model_in_dim is 80, not 32"),
        ({"num_embeddings": None}, "int"),
    ],
)
def test_another_vocoder_is_refused(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(AssetError, match=reason):
        made(**changes)
