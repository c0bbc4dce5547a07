"""The Python client against the gateway: a call that survives the loss of its connection."""

from __future__ import annotations

from gateway_calls import Gateway

from voiceserver.engine.messages import Respond
from voiceserver_client import Reconnect, SessionOptions, connect


async def test_a_killed_connection_comes_back_with_the_conversation(gateway: Gateway) -> None:
    url = f"ws://127.0.0.1:{gateway.port}"
    before = set(gateway.state.connections)
    options = SessionOptions(instructions="Be a pirate.")
    async with connect(url, options=options, reconnect=Reconnect(first_pause_s=0.05)) as call:
        assert (await call.ask("hello")).text == "I heard hello."
        (line,) = gateway.state.connections - before
        loop = gateway.server._loop
        assert loop is not None
        loop.call_soon_threadsafe(line.end, 1011, "lost")
        reply = await call.ask("and who am I")
        assert reply.text == "I heard and who am I."
        (other,) = gateway.state.connections - before - {line}
        told = [m.text for m in gateway.told(other.session_id, Respond)[-1].dialogue]
        assert told == ["Be a pirate.", "hello", "I heard hello.", "and who am I"]
