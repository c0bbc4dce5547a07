from __future__ import annotations

from pathlib import Path

import ctranslate2
import numpy as np
import pytest
import torch

from voiceserver.assets import resolve
from voiceserver.audio.mel import log_mel
from voiceserver.errors import AssetError
from voiceserver.nn.whisper import load_encoder
from voiceserver.nn.whisper.ctranslate2_file import Suppressed, openai_checkpoint, suppressed
from voiceserver.nn.whisper.decoder_weights import decoder_of
from voiceserver.nn.whisper.greedy import GreedyDecoder, Signs

SAID = 100  # encoder states
LONGEST = 20  # tokens


@pytest.fixture(scope="module")
def tiny() -> Path:
    return resolve("nano", quiet=True)["listener"]


def test_the_encoder_computes_what_ctranslate2_does(tiny: Path, tmp_path: Path) -> None:
    torch.save(openai_checkpoint(tiny), tmp_path / "tiny.pt")
    ours = load_encoder(tmp_path / "tiny.pt").exact(np.zeros(480_000, np.float32))
    theirs = ctranslate2.models.Whisper(str(tiny), compute_type="float32", intra_threads=1)
    mel = ctranslate2.StorageView.from_array(log_mel(np.zeros(480_000, np.float32))[None])
    np.testing.assert_allclose(ours.numpy(), np.array(theirs.encode(mel))[0], atol=2e-3)


def test_the_decoder_writes_and_scores_what_ctranslate2_does(tiny: Path) -> None:
    states = np.random.default_rng(0).normal(size=(1500, 384)).astype(np.float32)
    theirs = ctranslate2.models.Whisper(str(tiny), compute_type="float32", intra_threads=1)
    (expected,) = theirs.generate(
        ctranslate2.StorageView.from_array(states[None, : SAID + 50]),
        [[50257, 50362]],
        beam_size=1,
        max_length=2 * LONGEST,
        return_scores=True,
        return_no_speech_prob=True,
    )
    signs = Signs((50257, 50362), 50256, 50361, suppressed(tiny))
    decoder = GreedyDecoder(decoder_of(tiny, openai_checkpoint(tiny)), signs, states)
    found = decoder.read(states[:SAID], 50, LONGEST)
    assert list(found.tokens) == expected.sequences_ids[0]
    assert found.log_probability == pytest.approx(expected.scores[0], abs=1e-3)
    assert found.no_speech_probability == pytest.approx(expected.no_speech_prob, rel=1e-3)


def test_a_model_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"\x06\0\0\0\x0e\0Transformer__\0" + bytes(20))
    with pytest.raises(AssetError, match="Transformer__ of version 6, not a Whisper"):
        openai_checkpoint(tmp_path)


def test_what_is_never_written_is_read_from_the_config(tiny: Path, tmp_path: Path) -> None:
    assert suppressed(tiny).first == (220, 50256)
    (tmp_path / "config.json").write_text('{"suppress_ids": [5], "suppress_ids_begin": []}')
    assert suppressed(tmp_path) == Suppressed((5,), ())
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(AssetError, match="suppress_ids"):
        suppressed(tmp_path)
