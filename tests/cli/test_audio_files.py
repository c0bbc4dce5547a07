from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from voiceserver.audio.pcm16 import from_pcm16
from voiceserver.cli.audio_files import read_speech, trailing_quiet_s, write_speech


@pytest.mark.parametrize("rate_hz", [8000, 16000, 22050, 24000, 44100, 48000])
@pytest.mark.parametrize("kind", ["wav", "flac", "ogg"])
def test_any_rate_and_format_becomes_the_wires(tmp_path: Path, rate_hz: int, kind: str) -> None:
    seconds = np.arange(rate_hz) / rate_hz
    tone = 0.5 * np.sin(2 * np.pi * 440 * seconds)
    path = tmp_path / f"tone.{kind}"
    sf.write(path, np.stack([tone, tone], axis=1), rate_hz)  # two channels
    heard = from_pcm16(read_speech(path))
    assert len(heard) == pytest.approx(24000, abs=30)
    middle = heard[6000:18000]
    spectrum = np.abs(np.fft.rfft(middle))
    assert np.argmax(spectrum) * 24000 / len(middle) == pytest.approx(440, abs=3)
    assert np.abs(middle).max() == pytest.approx(0.5, abs=0.02)


def test_extreme_samples_do_not_wrap(tmp_path: Path) -> None:
    path = tmp_path / "loud.wav"
    sf.write(path, np.array([2.0, -2.0, np.nan, np.inf] * 100, np.float32), 24000, subtype="FLOAT")
    heard = from_pcm16(read_speech(path))
    assert heard.max() <= 1.0
    assert heard[0] > 0.99
    assert heard[1] < -0.99


def test_written_speech_reads_back(tmp_path: Path) -> None:
    samples = np.linspace(-0.9, 0.9, 24000, dtype=np.float32)
    write_speech(tmp_path / "s.wav", samples, 24000)
    assert np.abs(from_pcm16(read_speech(tmp_path / "s.wav")) - samples).max() < 1e-3


def test_trailing_quiet_is_found() -> None:
    speech = np.full(24000, 10000, "<i2").tobytes()
    assert trailing_quiet_s(speech) == 0
    assert trailing_quiet_s(speech + bytes(2 * 12000)) == pytest.approx(0.5)
    assert trailing_quiet_s(bytes(2 * 2400)) == pytest.approx(0.1)
