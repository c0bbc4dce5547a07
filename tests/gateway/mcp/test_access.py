"""Which MCP servers may be spoken to."""

from __future__ import annotations

import httpx2
import pytest
from mcp_server import McpServer

from voiceserver.gateway.mcp import access
from voiceserver.gateway.mcp.access import Access, Forbidden, GuardedTransport


@pytest.mark.parametrize(
    ("rule", "host", "allowed"),
    [
        (("public",), "127.0.0.1", False),
        (("public",), "localhost", False),
        (("public",), "::1", False),
        (("public",), "0.0.0.0", False),
        (("public",), "10.1.2.3", False),
        (("public",), "169.254.169.254", False),
        (("public",), "100.64.0.1", False),
        (("public",), "fd00::1", False),
        (("public",), "::ffff:127.0.0.1", False),
        (("public",), "64:ff9b::a01:203", False),
        (("public",), "2002:a01:203::1", False),
        (("public",), "224.0.0.1", False),
        (("public",), "2130706433", False),  # 127.0.0.1 as one number
        (("public",), "8.8.8.8", True),
        (("public",), "2001:4860:4860::8888", True),
        (("local",), "127.0.0.1", True),
        (("local",), "10.1.2.3", False),
        (("local",), "8.8.8.8", False),
        (("private",), "10.1.2.3", True),
        (("private",), "127.0.0.1", True),
        (("private",), "0.0.0.0", False),
        (("10.1.2.3",), "10.1.2.3", True),
        (("10.1.2.3:80",), "10.1.2.3", True),
        (("10.1.2.3:81",), "10.1.2.3", False),
        (("LocalHost",), "localhost", True),
        ((), "8.8.8.8", False),
    ],
)
async def test_the_rule(rule: tuple[str, ...], host: str, allowed: bool) -> None:
    if allowed:
        assert await Access(rule).addresses(host, 80)
    else:
        with pytest.raises(Forbidden, match="operator"):
            await Access(rule).addresses(host, 80)


async def test_the_address_that_passed_is_the_one_spoken_to(
    tools: McpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name that leads here when it is asked about is connected to here, as the named host."""
    asked: list[str] = []
    real = access._look_up

    async def look_up(host: str, port: int) -> list[access.Address]:
        asked.append(host)
        return await real("127.0.0.1", port)

    monkeypatch.setattr(access, "_look_up", look_up)
    port = tools.origin.rpartition(":")[2]
    transport = GuardedTransport(Access(["local"]))
    async with httpx2.AsyncClient(transport=transport) as client:
        response = await client.get(f"http://tools.invalid:{port}/page")
    assert asked == ["tools.invalid"]
    assert response.text == "<html>It works!</html>"
    assert response.request.headers["host"] == f"tools.invalid:{port}"
    assert str(response.url) == f"http://tools.invalid:{port}/page"


async def test_an_answer_without_an_end_is_left(
    tools: McpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "MOST_ANSWER_BYTES", 10)
    async with httpx2.AsyncClient(transport=GuardedTransport(Access(["local"]))) as client:
        with pytest.raises(httpx2.ReadError, match="longer than 10 bytes"):
            await client.get(f"{tools.origin}/page")
