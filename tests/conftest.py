"""What tests of every folder share: one real server with the real weights, started at first use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from voiceserver.cli.own_server import RunningServer, server_at

HAS_GPU = torch.cuda.is_available()
if not HAS_GPU:  # kernels run in Triton's interpreter, which it must know before it sees them
    os.environ["TRITON_INTERPRET"] = "1"


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not HAS_GPU:
        pytest.skip("needs a CUDA device")


@pytest.fixture(scope="session")
def live_server() -> Iterator[RunningServer]:
    """`voiceserver serve` in a process of its own, for the whole test run."""
    with server_at(None) as server:
        yield server


@pytest.fixture(scope="session")
def random_mini_omni(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a whole Mini-Omni checkpoint, reduced in size, with random weights."""
    from .mini_omni.random_checkpoint import write_checkpoint  # needs torch

    return write_checkpoint(tmp_path_factory.mktemp("mini-omni"))
