"""Our network against what the published code computes (see drawn.py)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from voiceserver.nn.mini_omni import prompts, weights
from voiceserver.nn.mini_omni.config import MiniOmniConfig
from voiceserver.nn.mini_omni.generate import generate
from voiceserver.nn.mini_omni.network import MiniOmni, Segment
from voiceserver.nn.mini_omni.prompts import Task
from voiceserver.nn.mini_omni.vocabulary import VOCABULARY

from . import drawn

TOLERANCE = 1e-4
Recorded = Mapping[str, NDArray[Any]]


# The table behind this file is not the one its rule gives: its text logits are no linear image of
# the drawn rows, whatever network stands between (least squares on the first 400 rows leaves 92 %,
# as random rows would), and the published code with the rule's weights does not give them either.
# They fit rows that are normal with deviation 1, as torch's own start of an embedding is: probably
# the tied table was skipped, known as lm_head.weight alone. Strict, so that a corrected file shows.
UNEXPLAINED = pytest.mark.xfail(reason="recorded with a table that the rule does not give")


@pytest.fixture(
    scope="module",
    params=[
        "published_seed1",
        "published_seed2",
        pytest.param("mini_omni_seed1", marks=UNEXPLAINED),
    ],
)
def recorded(request: pytest.FixtureRequest) -> Recorded:
    return dict(np.load(Path(__file__).with_name(f"{request.param}.npz")))


@pytest.fixture(scope="module")
def meta(recorded: Recorded) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(recorded["meta_json"].tobytes())
    return fields


@pytest.fixture(scope="module")
def model(meta: dict[str, Any]) -> MiniOmni:
    config = MiniOmniConfig.from_yaml(meta)
    state = drawn.state_dict(meta["seed"], weights.shapes(config))
    return MiniOmni(config, state, torch.device("cpu"), torch.float32)


@pytest.fixture(scope="module")
def features(meta: dict[str, Any]) -> Tensor:
    return drawn.features(meta["seed"], meta["audio_frames"], meta["whisper_adapter_dim"])


def assert_logits(ours: Tensor, theirs: NDArray[Any]) -> None:
    torch.testing.assert_close(ours, torch.from_numpy(theirs), rtol=0, atol=TOLERANCE)


def test_logits_after_the_prompt(model: MiniOmni, features: Tensor, recorded: Recorded) -> None:
    ids = prompts.spoken_prompt(Task.A1A2, len(features))
    segment = Segment(0, ids, features, prompts.FEATURES_AT)
    hidden = model.read(model.new_cache(1), [segment])
    assert_logits(model.audio_logits(hidden[-1:])[0], recorded["prefill_audio_logits"])
    text = model.text_logits(hidden)
    assert_logits(text[-1], recorded["prefill_text_logits"])
    assert_logits(text[:, :64], recorded["prefill_text_logits_all_positions_first_64"])


@pytest.mark.parametrize(
    ("name", "task", "written_by"),
    [
        ("A1A2", Task.A1A2, None),
        ("T1A2", Task.T1A2, None),
        ("A1A2_A1T2_batch", Task.A1A2, Task.A1T2),
        ("A1T2", Task.A1T2, None),
        ("A1T1", Task.A1T1, None),
        ("T1T2", Task.T1T2, None),
    ],
)
def test_greedy_tokens(
    name: str,
    task: Task,
    written_by: Task | None,
    model: MiniOmni,
    features: Tensor,
    recorded: Recorded,
    meta: dict[str, Any],
) -> None:
    streams = generate(
        model,
        task,
        features=features,
        text=recorded["text_prompt"].tolist(),
        written_by=written_by,
        max_returned_tokens=meta["max_returned_tokens"],
    )
    np.testing.assert_array_equal(streams, np.atleast_2d(recorded[name]))


@pytest.mark.parametrize(
    ("name", "explained"),
    [("published_seed1", True), ("published_seed2", True), ("mini_omni_seed1", False)],
)
def test_recorded_logits_are_an_image_of_the_drawn_table(name: str, explained: bool) -> None:
    """Logits are table rows times one vector: 400 of them leave no choice but that vector."""
    recorded = np.load(Path(__file__).with_name(f"{name}.npz"))
    meta = json.loads(recorded["meta_json"].tobytes())
    shape = (VOCABULARY, meta["n_embd"])
    rows = drawn.draw(meta["seed"], drawn.TABLE, shape)[:400].double().numpy()
    logits = recorded["prefill_text_logits"][:400].astype(np.float64)
    vector, *_ = np.linalg.lstsq(rows, logits)
    left = np.linalg.norm(rows @ vector - logits) / np.linalg.norm(logits)
    assert (left < 1e-5) == explained
