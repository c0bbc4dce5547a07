"""On telephones the operator names the MCP servers; the caller hears what came of a call."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "phone"))  # its caller is used

from gateway_calls import running_gateway
from mcp_server import TOKEN, McpServer
from twilio_network import calling, tone

from voiceserver.config import McpConfig
from voiceserver.engine.messages import Respond

SAID_S = (3 + 5) * 0.4  # "One moment please." and "I heard sunny in Rome."


async def test_a_caller_hears_what_a_servers_tool_answers(
    tools: McpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICESERVER_MCP_KEY_THE_TOWN", TOKEN)
    tools.called.clear()
    settings = {
        "mcp": (
            McpConfig("nobody", f"{tools.origin}/nowhere"),
            McpConfig("the town", f"{tools.origin}/private/mcp"),
        ),
        "mcp_hosts": (),
        "hang_up": True,
    }
    with running_gateway(tmp_path / "journal", say="call now", settings=settings) as gateway:
        async with calling(gateway.port) as call:
            line = await gateway.only_line()
            for _ in range(1000):
                if any(tool.name == "weather" for tool in line._session.settings.served):
                    break
                await asyncio.sleep(0.02)
            call.says += tone(0.8)
            await call.until(lambda c: len(c.heard) / 8000 > SAID_S - 0.2)
            first, second = gateway.told(line.session_id, Respond)
    assert first.tools.functions[0].name == "weather"
    assert first.tools.functions[-1].name == "hang_up"
    assert second.dialogue[-1].text == "sunny in Rome"
    assert tools.called == ["weather"]
