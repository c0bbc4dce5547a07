"""Calls from simulated telephone networks to a real gateway with the scripted engine."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests have no packages; the helpers lie beside us

from gateway_calls import Gateway, free_port, running_gateway

from voiceserver.config import SipConfig


def with_all_doors(journal: Path, say: str = "turn %d") -> AbstractContextManager[Gateway]:
    """A server that every kind of telephone may call."""
    settings = {
        "audiosocket": f"127.0.0.1:{free_port()}",
        "sip": SipConfig(f"127.0.0.1:{free_port(kind=socket.SOCK_DGRAM)}"),
    }
    return running_gateway(journal, say=say, settings=settings)


@pytest.fixture(scope="session")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A server with usual settings."""
    with with_all_doors(tmp_path_factory.mktemp("exchange") / "journal") as running:
        yield running


@pytest.fixture(scope="session")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One whose assistant answers every spoken turn for 24 s."""
    with with_all_doors(
        tmp_path_factory.mktemp("talkative") / "journal", "long turn %d"
    ) as running:
        yield running
