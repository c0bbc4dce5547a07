"""Every kernel compiles for an H100, whatever machine the tests run on."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from voiceserver import kernels

FOLDER = Path(kernels.__file__).parent
H100_SHARED_BYTES_FOR_TWO = 232_448 // 2  # so that two programs fit on a multiprocessor


def _launched_kernels() -> set[str]:
    """Names of all functions under `@jit` that are called kernels."""
    return {
        node.name
        for path in FOLDER.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.endswith("kernel")
    }


@pytest.mark.skipif(torch.cuda.is_available(), reason="the other tests compile them here")
def test_all_kernels_compile_for_an_h100(request: pytest.FixtureRequest) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "TRITON_INTERPRET"}
    environment["TRITON_CACHE_DIR"] = str(request.config.cache.mkdir("triton"))
    program = Path(__file__).parent / "hopper.py"
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", program], capture_output=True, text=True, env=environment
    )
    assert answer.returncode == 0, answer.stderr[-3000:]
    shared_bytes: dict[str, int] = json.loads(answer.stdout)
    assert set(shared_bytes) == _launched_kernels()
    assert max(shared_bytes.values()) <= H100_SHARED_BYTES_FOR_TWO
