"""The model of a call over SIP hands its caller over, and says so when that fails."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from gateway_calls import free_port, running_gateway
from sip_phone import HERE, calling, tone

from voiceserver.config import SipConfig
from voiceserver.engine.messages import Respond

GOODBYE_S = 3 * 0.4  # "One moment please." as the scripted voice says it


@pytest.mark.parametrize("status", ["200 OK", "486 Busy Here"])
async def test_the_model_hands_a_caller_over(tmp_path: Path, status: str) -> None:
    port = free_port(kind=socket.SOCK_DGRAM)
    settings = {
        "sip": SipConfig(f"127.0.0.1:{port}"),
        "transfer_to": (("sales", "1001"),),
    }
    with running_gateway(tmp_path / "journal", say="call them", settings=settings) as exchange:
        async with calling(port) as call:
            call.says += tone(0.8)
            await call.until(lambda: bool(call.asked("REFER")))
            assert abs(call.loud_s() - GOODBYE_S) < 0.15
            session_id = await exchange.only_id()
            refer = call.asked("REFER")[0]
            assert refer.headers["refer-to"] == f"<sip:1001@{HERE}:{call.port}>"
            await call.ask("NOTIFY", f"SIP/2.0 {status}\r\n", "Event: refer\r\n")
            if status.startswith("2"):
                await call.until(lambda: bool(call.asked("BYE")))
                return
            await call.until(lambda: call.loud_s() > GOODBYE_S + 0.5)
            said = exchange.told(session_id, Respond)[-1].dialogue[-1]
            assert said.role == "tool"
            assert "486" in said.text
