"""Which of an op's two implementations runs."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from voiceserver import config, kernels
from voiceserver.errors import VoiceserverError
from voiceserver.kernels.dispatch import dispatched


def test_the_twin_runs_on_a_cpu_and_triton_on_a_gpu(device: torch.device) -> None:
    assert not kernels.uses_triton(torch.zeros(1))
    if device.type == "cuda":
        assert kernels.uses_triton(torch.zeros(1, device=device))


def test_forced_lasts_as_long_as_its_context() -> None:
    op = dispatched(lambda _: "twin", lambda _: "kernel")
    x = torch.zeros(1)
    with kernels.forced("triton"):
        assert op(x) == "kernel"
        with kernels.forced("torch"):
            assert op(x) == "twin"
        assert op(x) == "kernel"
    assert op(x) == "twin"


@pytest.mark.parametrize("value", ["torch", "triton", "", None])
def test_the_environment_overrides(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("VOICESERVER_KERNELS", raising=False)
    if value is not None:
        monkeypatch.setenv("VOICESERVER_KERNELS", value)
    assert config.kernels_override() == (value or None)


def test_a_wrong_override_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICESERVER_KERNELS", "cuda")
    with pytest.raises(VoiceserverError, match="VOICESERVER_KERNELS is 'cuda'"):
        config.kernels_override()


def test_without_triton_the_twins_run() -> None:
    program = """
import sys
sys.modules["triton"] = None  # importing it fails
import torch
from voiceserver import kernels
total, _ = kernels.add_rms_norm(torch.ones(1, 4), torch.ones(1, 4), torch.ones(4), 1e-6)
print(total.tolist(), kernels.uses_triton(total))
"""
    answer = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[[2.0, 2.0, 2.0, 2.0]] False"
