"""Servers that may be called over SIP."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests have no packages; the helpers lie beside us

from gateway_calls import Gateway, free_port, running_gateway

from voiceserver.config import SipConfig


def with_sip(journal: Path, *, host: str = "127.0.0.1", sip: Any = None, **options: Any) -> Any:
    """A server of the scripted engine's with a SIP port."""
    config = SipConfig(f"{host}:{free_port(host, socket.SOCK_DGRAM)}", **(sip or {}))
    return running_gateway(journal, settings={"sip": config}, **options)


@pytest.fixture
def start_sip(tmp_path: Path) -> Callable[..., AbstractContextManager[Gateway]]:
    """Start a server of the test's own."""

    def start(**options: Any) -> AbstractContextManager[Gateway]:
        return with_sip(tmp_path / "journal", **options)  # type: ignore[no-any-return]

    return start


@pytest.fixture(scope="session")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A server with usual settings."""
    with with_sip(tmp_path_factory.mktemp("sip") / "journal") as running:
        yield running


@pytest.fixture(scope="session")
def talkative_exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One whose assistant answers every spoken turn for 24 s."""
    journal = tmp_path_factory.mktemp("talkative") / "journal"
    with with_sip(journal, say="long turn %d") as running:
        yield running
