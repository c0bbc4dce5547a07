"""The kernels' bench: it times what is correct, and refuses what is not."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from voiceserver.bench.mini_omni import kernels as bench
from voiceserver.bench.mini_omni.kernel_cases import Case, cases
from voiceserver.bench.mini_omni.subject import REDUCED, Subject
from voiceserver.errors import VoiceserverError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def norm_case() -> Case:
    return cases(REDUCED, CPU, rows=4, context=64)[0]


def test_every_op_is_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench.run(Subject(CPU, reduced=True), [1], repeats=2).show(as_json=True, out=tmp_path)
    facts = json.loads(capsys.readouterr().out)
    ops = {op["op"].split(",")[0] for op in facts["ops"]}
    assert ops >= {"add_rms_norm", "rope_append", "decode_attention", "swiglu", "sample text"}
    assert all(op["twin_p50_us"] > 0 and op["bytes"] > 0 for op in facts["ops"])
    (kept,) = tmp_path.iterdir()
    assert kept.name == f"{facts['machine']['date']}-cpu-kernels.json"
    assert json.loads(kept.read_text()) == facts


def test_kernels_that_are_right_pass(norm_case: Case) -> None:
    bench.check(norm_case, 4, on_cuda=False)
    bench.check(norm_case, 4, on_cuda=True)  # in the interpreter, if there is no GPU


def test_a_wrong_kernel_is_not_timed(norm_case: Case) -> None:
    def wrong(*args: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(tensor * 1.01 for tensor in norm_case.naive(*args))

    with pytest.raises(VoiceserverError, match=r"add_rms_norm, 4 rows: wrong by .*; not timed"):
        bench.check(dataclasses.replace(norm_case, fused=wrong), 4, on_cuda=True)


def test_a_kernel_of_nan_is_not_timed(norm_case: Case) -> None:
    def wrong(*args: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(tensor * torch.nan for tensor in norm_case.naive(*args))

    with pytest.raises(VoiceserverError, match="wrong by nan"):
        bench.check(dataclasses.replace(norm_case, fused=wrong), 4, on_cuda=True)


def test_a_kernel_that_writes_nothing_is_not_timed() -> None:
    (rope_case,) = (c for c in cases(REDUCED, CPU, rows=4, context=64) if "rope" in c.name)
    bench.check(rope_case, 4, on_cuda=True)

    def wrong(*args: torch.Tensor) -> torch.Tensor:
        *others, keys, values, rows, positions = args
        return rope_case.naive(*others, keys.clone(), values.clone(), rows, positions)

    with pytest.raises(VoiceserverError, match="rope_append"):
        bench.check(dataclasses.replace(rope_case, fused=wrong), 4, on_cuda=True)


def test_a_twin_that_depends_on_the_batch_is_not_timed(norm_case: Case) -> None:
    def wrong(x: torch.Tensor, *args: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return norm_case.naive(x * len(x), *args)

    with pytest.raises(VoiceserverError, match="not timed"):
        bench.check(dataclasses.replace(norm_case, naive=wrong), 4, on_cuda=False)
