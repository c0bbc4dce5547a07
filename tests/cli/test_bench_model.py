"""`voiceserver bench step|codec|kernels|sessions`: what is asked for must make sense."""

from __future__ import annotations

import json

import pytest
import torch
from typer.testing import CliRunner

from voiceserver.bench.mini_omni.timing import Spread, timed
from voiceserver.cli.bench import app
from voiceserver.errors import VoiceserverError


def _failure(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, VoiceserverError), result.output
    return str(result.exception)


@pytest.mark.parametrize("command", ["step", "codec", "sessions"])
def test_random_weights_are_never_taken_unasked(command: str) -> None:
    assert "--random-weights" in _failure(command)


def test_other_models_are_not_measured_this_way() -> None:
    assert "nano" in _failure("step", "--model", "nano", "--random-weights")


@pytest.mark.parametrize("sessions", ["0", "1,x", "", "1,-2"])
def test_sessions_are_positive_numbers(sessions: str) -> None:
    assert "1,8,64" in _failure("kernels", "--reduced", "--device", "cpu", "--sessions", sessions)


def test_an_unknown_device_is_named() -> None:
    assert "tpu" in _failure("kernels", "--device", "tpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one")
def test_a_missing_gpu_is_said() -> None:
    assert "no CUDA device" in _failure("kernels", "--device", "cuda")


def test_kernels_print_one_json_line() -> None:
    arguments = ["kernels", "--reduced", "--device", "cpu", "--sessions", "1", "--repeats", "2"]
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["bench"] == "kernels"


def test_times_are_of_the_work_alone() -> None:
    calls = []
    spread = timed(lambda: calls.append(1), 20, torch.device("cpu"))
    assert len(calls) == 22  # with the warm-up
    assert 0 < spread.p50_ms <= spread.p99_ms
    assert Spread.of([1.0, 2.0, 3.0]).p50_ms == 2.0
