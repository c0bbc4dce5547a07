"""Two small SyncLLMs with random weights talk; what is timed adds up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from voiceserver.assets import resolve
from voiceserver.bench import loop
from voiceserver.bench.sync_llm import dialogue
from voiceserver.bench.sync_llm.random_checkpoint import Sizes, write_folder
from voiceserver.engine.sync_llm.checkpoint import Checkpoint, load
from voiceserver.errors import AssetError


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    folder = write_folder(tmp_path_factory.mktemp("sync-llm"), Sizes(layers=1, positions=512))
    return load(folder, torch.device("cpu"), torch.float32, int8=False)


def test_each_hears_the_other_one_chunk_late(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[tuple[int, list[tuple[int, ...] | None]]] = []
    step = dialogue._step

    def watched(steps: dialogue.Steps) -> dict[int, tuple[int, ...]]:
        made = step(steps)
        passed = steps.contexts[0].last - 2
        for slot in (0, 1):
            other = steps.contexts[1 - slot]
            assert steps.contexts[slot].user(passed) == other.own(passed)
            assert steps.contexts[slot].is_real(passed)
            assert not steps.contexts[slot].is_real(passed + 1)
        heard.append((passed, [made[0], made[1]]))
        return made

    monkeypatch.setattr(dialogue, "_step", watched)
    said = dialogue.converse(checkpoint, 6, seed=1)
    assert [len(units) for units in said] == [24, 24]
    assert len(heard) == 6
    assert said != dialogue.converse(checkpoint, 6, seed=2)


def test_a_prompt_is_what_both_have_said(checkpoint: Checkpoint) -> None:
    one, other = list(range(40)), [7] * 40
    free = dialogue.converse(checkpoint, 3, seed=1)
    led = dialogue.converse(checkpoint, 3, seed=1, prompts=(one, other))
    assert led != free
    assert led == dialogue.converse(checkpoint, 3, seed=1, prompts=(one, other))


def test_recordings_are_gone_on_from_and_compared(checkpoint: Checkpoint, tmp_path: Path) -> None:
    plan = dialogue.Plan(prompt_s=0.8, talk_s=1.6)
    vad = resolve("sync-llm", quiet=True, only=("vad",))["vad"]
    with pytest.raises(AssetError, match=r"no \.wav"):
        dialogue.run(checkpoint, vad, plan, tmp_path, None, "random", lambda line: None)
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        sound = rng.normal(0, 0.1, (16_000 * 3, 2)).astype(np.float32)
        soundfile.write(tmp_path / f"{name}.wav", sound, 16_000)
    out = tmp_path / "out"
    found = dialogue.run(checkpoint, vad, plan, tmp_path, out, "random", lambda line: None)
    assert [row[0] for row in found.rows] == ["ipu", "pause", "fto"]
    assert found.card["weights"] == "random"
    sound, rate_hz = soundfile.read(out / "a.wav")
    assert (sound.shape, rate_hz) == ((25_600, 2), 16_000)
    soundfile.write(tmp_path / "c.wav", sound[:, 0], 16_000)
    with pytest.raises(AssetError, match="has 1 channels"):
        dialogue.run(checkpoint, vad, plan, tmp_path, None, "random", lambda line: None)


def test_the_work_of_every_chunk_is_counted(checkpoint: Checkpoint) -> None:
    found = loop.sync_llm(checkpoint, sessions=2, chunks=12, what="random")
    assert found.numbers["chunks"] == 7  # without the first five
    assert 0.0 < found.numbers["p50_ms"] <= found.numbers["p99_ms"]
    (goal,) = found.goals
    assert (goal.at_most, goal.value) == (80.0, found.numbers["p99_ms"])
