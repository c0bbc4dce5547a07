from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import whisper.audio
from whisper.model import Whisper

from voiceserver.audio.mel import log_mel
from voiceserver.errors import AssetError
from voiceserver.nn.whisper import WhisperEncoder, load_encoder

from .conftest import noise


@pytest.mark.parametrize("samples", [100, 16_000, 64_320, 100_001, 480_000, 500_000])
def test_equals_the_original_on_thirty_padded_seconds(
    encoder: WhisperEncoder, original: Whisper, samples: int
) -> None:
    clip = noise(samples)
    mel = whisper.audio.log_mel_spectrogram(whisper.audio.pad_or_trim(clip))
    with torch.no_grad():
        theirs = original.embed_audio(mel[None])[0]
    kept = int(samples / 16_000 * 1000 / 20) + 1  # as the reference slices them
    ours = encoder.exact(clip)
    assert ours.shape == (min(kept, 1500), 48)
    torch.testing.assert_close(ours, theirs[:kept], atol=1e-5, rtol=1e-5)


def test_the_spectrogram_is_the_original_one() -> None:
    clip = whisper.audio.pad_or_trim(noise(123_456))
    theirs = whisper.audio.log_mel_spectrogram(clip).numpy()
    np.testing.assert_allclose(log_mel(clip), theirs, atol=2e-5)


def test_int8_is_near(checkpoint: dict[str, Any], encoder: WhisperEncoder, tmp_path: Path) -> None:
    torch.save(checkpoint, tmp_path / "small.pt")
    rounded = load_encoder(tmp_path / "small.pt", int8=True)
    clip = noise(20_000)
    exact, near = encoder.exact(clip), rounded.exact(clip)
    error = (near - exact).norm() / exact.norm()
    assert 0 < error < 0.05


def test_a_file_in_half_precision_is_read(checkpoint: dict[str, Any], tmp_path: Path) -> None:
    halves = {key: tensor.half() for key, tensor in checkpoint["model_state_dict"].items()}
    torch.save(checkpoint | {"model_state_dict": halves}, tmp_path / "small.pt")
    features = load_encoder(tmp_path / "small.pt").exact(noise(5_000))
    assert features.dtype == torch.float32
    assert features.isfinite().all()


def _without(name: str, content: dict[str, Any]) -> None:
    del content["model_state_dict"][name]


def _with_dims(content: dict[str, Any], **dims: Any) -> None:
    content["dims"] |= dims


BROKEN = {
    "missing key": (
        lambda c: _without("encoder.blocks.1.mlp.0.weight", c),
        r"missing: encoder\.blocks\.1\.mlp\.0\.weight",
    ),
    "surplus key": (
        lambda c: c["model_state_dict"].update({"encoder.extra": torch.zeros(1)}),
        r"not expected: encoder\.extra",
    ),
    "wrong shape": (
        lambda c: c["model_state_dict"].update({"encoder.conv1.bias": torch.zeros(47)}),
        r"encoder\.conv1\.bias is \[47\], not \[48\]",
    ),
    "more layers than weights": (
        lambda c: _with_dims(c, n_audio_layer=3),
        r"missing: encoder\.blocks\.2\.\S+, .* and 11 more",
    ),
    "no dims": (lambda c: c.pop("dims"), "it has no dims"),
    "a dim is missing": (lambda c: c["dims"].pop("n_audio_head"), "the dims lack n_audio_head"),
    "a dim is no number": (lambda c: _with_dims(c, n_audio_head="x"), "the dims are wrong"),
    "heads do not divide": (lambda c: _with_dims(c, n_audio_head=5), "the dims are wrong"),
    "more bands": (lambda c: _with_dims(c, n_mels=128), "128 mel bands; only 80"),
    "no weights": (lambda c: c.pop("model_state_dict"), "holds no state dict"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_wrong_file_is_refused_by_name(
    checkpoint: dict[str, Any], tmp_path: Path, fault: str
) -> None:
    spoil, complaint = BROKEN[fault]
    content = copy.deepcopy(checkpoint)
    spoil(content)
    torch.save(content, tmp_path / "small.pt")
    with pytest.raises(AssetError, match=rf"small\.pt.*{complaint}"):
        load_encoder(tmp_path / "small.pt")
