"""The engine's numerical libraries start no threads that would spin beside it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COUNTED = """
import os
import voiceserver.engine.__main__
import numpy as np

large = np.ones((600, 600), np.float32)
large @ large
print(len(os.listdir("/proc/self/task")))
"""


def threads(environment: dict[str, str]) -> int:
    """How many the engine's process has after a large product."""
    limits = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    rest = {key: value for key, value in os.environ.items() if key not in limits}
    command = [sys.executable, "-c", COUNTED]
    told = subprocess.run(command, env=rest | environment, capture_output=True, check=True)
    return int(told.stdout)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one core, one thread")
def test_numpy_starts_no_thread_unless_told_to() -> None:
    # Those of others are there in both cases.
    assert threads({}) < threads({"OPENBLAS_NUM_THREADS": "2"})
