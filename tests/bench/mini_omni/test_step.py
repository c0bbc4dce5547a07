from __future__ import annotations

import pytest
import torch

from voiceserver.bench.mini_omni import step
from voiceserver.bench.mini_omni.reference_loop import ReferenceLoop
from voiceserver.bench.mini_omni.subject import REDUCED, Subject, random_state
from voiceserver.errors import VoiceserverError
from voiceserver.nn.mini_omni.network import MiniOmni

CPU = torch.device("cpu")


def silent(_: str) -> None:
    pass


def test_a_reduced_model_is_checked_and_then_timed() -> None:
    report = step.run(Subject(CPU, reduced=True), sessions=[1, 2], steps=2, told=silent)
    measured = {(m["what"], m["sessions"]): m for m in report.numbers["steps"]}
    assert set(measured) == {
        ("yardstick, float32", 1),
        ("ours, float32", 1),
        ("ours, float32, text ended", 1),
        *((f"ours, int8{ended}", n) for ended in ("", ", text ended") for n in (1, 2)),
    }
    assert all(0 < m["p50_ms"] <= m["p99_ms"] for m in measured.values())
    assert 0.5 < report.numbers["same_tokens_as_float32"] <= 1.0
    assert len(report.rows) == len(measured)
    assert not report.goals  # a reduced model's speed says nothing


def test_a_model_that_says_otherwise_is_not_timed() -> None:
    features = torch.zeros(step.QUESTION_FEATURES, REDUCED.whisper_dim)
    loop = ReferenceLoop(REDUCED, random_state(REDUCED, seed=1), CPU)
    other = MiniOmni(REDUCED, random_state(REDUCED, seed=2), CPU, torch.float32)
    with pytest.raises(VoiceserverError, match="nothing is timed"):
        step.check(loop, step.Variant("other", other, 4), features)
