"""The family in the engine's loop, from a folder with random weights, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from voiceserver.assets import resolve
from voiceserver.bench.sync_llm.random_checkpoint import Sizes, write_folder
from voiceserver.clock import FakeClock
from voiceserver.config import EngineConfig
from voiceserver.engine.loop import Loop
from voiceserver.engine.messages import (
    AudioDelta,
    FromEngine,
    Instruct,
    OpenSession,
    SessionOpened,
    SpeechActivity,
    UserAudio,
)
from voiceserver.engine.sync_llm.checkpoint import load
from voiceserver.engine.sync_llm.files import check_folder
from voiceserver.engine.sync_llm.model import SyncLlm, SyncLlmFiles
from voiceserver.errors import AssetError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("sync-llm"), Sizes(layers=1, chunk_ms=200))


def test_a_session_hears_and_speaks_all_the_time(folder: Path) -> None:
    ears = resolve("sync-llm", quiet=True)
    files = SyncLlmFiles(folder, ears["vad"], ears["turn_end"], ears["listener"])
    clock = FakeClock()
    family = SyncLlm.load(files, 2, lambda: None, CPU, clock, seed=1)
    loop = Loop(family, EngineConfig(model="sync-llm", slots=2), clock)
    ready = loop.ready()
    assert (ready.continuous, ready.voice_rate_hz, ready.frame_samples) == (True, 16_000, 3200)
    loop.put([OpenSession("a"), Instruct("a", "Be brief.")])
    noise = np.random.default_rng(0).normal(0, 3000, 320).astype("<i2").tobytes()
    sent: list[FromEngine] = []
    for _ in range(100):  # 2 s in pieces of 20 ms
        clock.advance(0.02)
        loop.put([UserAudio("a", noise)])
        sent += loop.tick()
        while loop.idle_s() == 0.0:
            sent += loop.tick()
    spoken = [message for message in sent if isinstance(message, AudioDelta)]
    assert isinstance(sent[0], SessionOpened)
    assert [len(message.pcm16) for message in spoken] == [6400] * 10
    assert len({message.pcm16 for message in spoken}) > 1
    assert sum(isinstance(message, SpeechActivity) for message in sent) == 62
    context = family.conversations._steps.contexts[0]
    assert [context.is_real(number) for number in range(8)] == [True] * 8
    family.shut_down()


def test_without_weights_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match=r"no weights of SyncLLM .* --weights FOLDER"):
        check_folder(None)
    with pytest.raises(AssetError, match="there is no folder"):
        check_folder(tmp_path / "none")
    with pytest.raises(AssetError, match=r"lacks sync_llm\.json, tokenizer\.json"):
        check_folder(tmp_path)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({}, "chunk_ms must be 160, 200, 240"),
        ({"chunk_ms": 170}, "chunk_ms must be"),
        ({"chunk_ms": 160, "colour": 1}, "nothing is known of colour"),
        ({"chunk_ms": 160, "positions": "many"}, "positions is 'many'"),
        ({"chunk_ms": 160, "hubert_layer": 9}, "2 layers, not 9"),
        ({"chunk_ms": 160, "hubert_layer": 1, "speaker": 3}, "3 speakers, there is none numbered"),
        ({"chunk_ms": 160, "hubert_layer": 1, "units": 400}, "hubert has 501 units, the model 400"),
        ({"chunk_ms": 160, "own_tag": "<me>"}, "the tokenizer lacks <me>"),
    ],
)
def test_settings_that_do_not_fit_are_named(
    folder: Path, tmp_path: Path, settings: dict[str, object], reason: str
) -> None:
    spoilt = shutil.copytree(folder, tmp_path / "copy")
    (spoilt / "sync_llm.json").write_text(json.dumps(settings))
    with pytest.raises(AssetError, match=reason):
        load(spoilt, CPU, torch.float32, int8=False)
