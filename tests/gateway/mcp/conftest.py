"""A real MCP server, the SDK's own, and a gateway that may speak to this machine."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests have no packages; helpers lie beside us
sys.path.insert(0, str(Path(__file__).parents[1]))

from gateway_calls import Gateway, running_gateway
from mcp_server import McpServer, running_server
from sse_starlette.sse import AppStatus


@pytest.fixture(scope="module")
def tools() -> Iterator[McpServer]:
    # Any uvicorn server of this process that was told to end (other tests do) sets this for good.
    AppStatus.should_exit = False
    with running_server() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    journal = tmp_path_factory.mktemp("gateway") / "journal"
    with running_gateway(journal, settings={"mcp_hosts": ("local",)}) as running:
        yield running
