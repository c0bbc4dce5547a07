from __future__ import annotations

from pathlib import Path

import ctranslate2
import numpy as np
import pytest
import torch

from voiceserver.assets import resolve
from voiceserver.audio.mel import log_mel
from voiceserver.bench import listening
from voiceserver.bench.whisper_weights import openai_checkpoint
from voiceserver.errors import AssetError
from voiceserver.nn.whisper import load_encoder


@pytest.fixture(scope="module")
def tiny() -> Path:
    return resolve("nano", quiet=True)["listener"]


def test_converted_weights_compute_what_ctranslate2_does(tiny: Path, tmp_path: Path) -> None:
    torch.save(openai_checkpoint(tiny), tmp_path / "tiny.pt")
    ours = load_encoder(tmp_path / "tiny.pt").exact(np.zeros(480_000, np.float32))
    theirs = ctranslate2.models.Whisper(str(tiny), compute_type="float32", intra_threads=1)
    mel = ctranslate2.StorageView.from_array(log_mel(np.zeros(480_000, np.float32))[None])
    np.testing.assert_allclose(ours.numpy(), np.array(theirs.encode(mel))[0], atol=2e-3)


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"\x06\0\0\0\x0e\0Transformer__\0" + bytes(20))
    with pytest.raises(AssetError, match="Transformer__ of version 6, not a Whisper"):
        openai_checkpoint(tmp_path)


def test_real_speech_is_understood_live() -> None:
    """One question by a real Whisper; many are what the bench is for."""
    report = listening.run("tiny.en", questions=1, voices=1, noise=0.001, told=lambda _line: None)
    assert [row[0] for row in report.rows] == ["exact", "live", "exact int8", "live int8"]
    numbers = report.numbers
    assert numbers["exact"]["feature_error_percent"] == 0
    assert numbers["live"]["word_error_percent"] == numbers["exact"]["word_error_percent"] == 0
    assert 0 < numbers["exact int8"]["feature_error_percent"] < 15
    assert 0 < numbers["live"]["feature_error_percent"] < 35
