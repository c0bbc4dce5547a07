"""The command line and the README's examples against the real server with the real weights."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from voiceserver.bench.judge import transcribe, word_errors
from voiceserver.cli.own_server import RunningServer
from voiceserver.scenes.kokoro import RATE_HZ, VOICES, speak

pytestmark = pytest.mark.e2e

QUESTION = "What is the capital of France?"
README = Path(__file__).parents[2] / "README.md"


def _voiceserver(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "voiceserver", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)


def _heard(path: Path) -> str:
    samples, rate_hz = sf.read(path, dtype="float32")
    return transcribe(samples, rate_hz)


def test_ask_gives_a_spoken_answer_to_a_spoken_question(
    live_server: RunningServer, tmp_path: Path
) -> None:
    spoken = speak(QUESTION, VOICES[2])
    room = np.zeros(RATE_HZ // 4, np.float32)
    both_ears = np.stack([np.concatenate([room, spoken, room])] * 2, axis=1)
    sf.write(tmp_path / "q.flac", both_ears, RATE_HZ)
    out = tmp_path / "r.wav"
    arguments = ["ask", str(tmp_path / "q.flac"), "--out", str(out), "--url", live_server.url]
    done = _voiceserver(*arguments, "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout.strip().splitlines()[-1])
    assert word_errors(QUESTION, facts["transcript"]).errors <= 1
    assert "Paris" in facts["reply_text"]
    assert facts["first_audio_ms"] >= facts["end_of_turn_ms"] - 1000
    assert facts["reply_seconds"] == pytest.approx(sf.info(out).duration, abs=0.01)
    assert word_errors(facts["reply_text"], _heard(out)).percent <= 35  # a few words: one is a lot


def test_say_speaks_the_text(tmp_path: Path) -> None:
    text = "The weather is nice today, and we should go outside."
    done = _voiceserver("say", text, "--out", str(tmp_path / "s.wav"))
    assert done.returncode == 0, done.stderr
    assert word_errors(text, _heard(tmp_path / "s.wav")).errors <= 2


def _examples() -> list[str]:
    return re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)


def test_the_readme_has_both_examples() -> None:
    assert ["openai" in example for example in _examples()] == [True, False]


@pytest.mark.parametrize("example", _examples(), ids=["openai", "voiceserver_client"])
def test_the_readmes_examples_run(live_server: RunningServer, tmp_path: Path, example: str) -> None:
    sf.write(tmp_path / "question.wav", speak(QUESTION, VOICES[2]), RATE_HZ, subtype="PCM_16")
    address = live_server.page.removeprefix("http://")
    assert "127.0.0.1:8000" in example
    code = example.replace("127.0.0.1:8000", address)
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Paris" in done.stdout
    assert sf.info(tmp_path / "reply.wav").duration > 0.5
