"""Servers that may be called over SIP."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests have no packages; the helpers lie beside us

from gateway_calls import Gateway, free_port, running_gateway

from voiceserver.config import SipConfig


@pytest.fixture
def start_sip(tmp_path: Path) -> Callable[..., AbstractContextManager[Gateway]]:
    """Start a server of the test's own; `sip` are settings of its SIP port."""

    def start(
        *,
        host: str = "127.0.0.1",
        sip: dict[str, Any] | None = None,
        settings: dict[str, Any] | None = None,
        **options: Any,
    ) -> AbstractContextManager[Gateway]:
        config = SipConfig(f"{host}:{free_port(kind=socket.SOCK_DGRAM)}", **(sip or {}))
        settings = (settings or {}) | {"sip": config}
        return running_gateway(tmp_path / "journal", settings=settings, **options)

    return start
