"""Thousands of Live events that make no sense: each is answered with an error or not at all."""

from __future__ import annotations

import asyncio
import base64
import itertools
from typing import Any

from gateway_calls import Gateway, tone
from live_calls import HEARD, LiveCaller, live_call
from mutations import Mutator
from test_fuzz import let_others_complain, logged

EVENTS = 4_000
SESSIONS = 4
SOUND = base64.b64encode(tone(0.04).tobytes()).decode()
FUNCTION = {"type": "function", "name": "weather", "parameters": {"type": "object"}}
BACKEND = {"model": "m", "instructions": "i", "tools": [FUNCTION], "tool_choice": "auto"}
DELEGATION = {"type": "responses", "acknowledgement_delay_ms": 5, "responses": BACKEND}
HISTORY = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}
AUDIO = {"format": {"type": "audio/pcm", "rate": 24000}, "output": {"voice": {"id": "v"}}}
SESSION = {"model": "m", "instructions": "i", "audio": AUDIO, "delegation": DELEGATION}
RESULT = {"type": "function_call_output", "call_id": "call_1", "output": "20"}


def event(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "event_id": "e", **fields}


# All that a client may say, but for the end.
RECORDED = [
    event("session.start", session={**SESSION, "input": [HISTORY], "triggers": []}),
    event("session.update", session={"delegation": DELEGATION, "triggers": []}),
    event("session.input_audio.append", audio=SOUND),
    event("session.input_audio.mute"),
    event("session.input_audio.unmute"),
    event("session.output_audio.fixture.play", audio=SOUND),
    event("session.instructions.append", content="be brief", delegation_id=None),
    event("session.thinking.append", content="it rains", delegation_id=None),
    event("session.commentary.append", content="call all", delegation_id=None),
    event("decision.create"),
    event("response.item.create", item=RESULT),
    event("response.item.create", item=HISTORY),
    event("response.create"),
]


async def probe(caller: LiveCaller, mark: str, sent: list[str | bytes]) -> None:
    """Ask whether the session still answers; read on to the answer to our own event."""
    await caller.send("session.update", session={"triggers": []}, event_id=mark)
    while True:
        event = await caller.next()
        if event["type"] == "error":
            error = event["error"]
            assert error["type"] == "invalid_request_error", (error, sent[-20:])
            assert error.get("client_event_id") != mark, error
        if event.get("client_event_id") == mark:
            return


async def fuzz(gateway: Gateway, seed: int, events: int) -> int:
    mutator = Mutator([RECORDED], seed)
    sent: list[str | bytes] = []
    async with live_call(gateway, delegation=DELEGATION) as caller:
        for lot in itertools.count():
            if len(sent) >= events:
                break
            frames = mutator.session()
            for frame in frames:
                await caller.socket.send(frame)
            sent += frames
            await probe(caller, f"probe {lot}", sent)
    return len(sent)


async def test_thousands_of_spoiled_events_do_no_harm(start) -> None:  # type: ignore[no-untyped-def]
    await let_others_complain()
    with logged() as complaints, start(sessions=SESSIONS, slots=SESSIONS + 1) as gateway:
        engine_pid = gateway.state.services.engine.pid
        share = -(-EVENTS // SESSIONS)
        counts = await asyncio.gather(*(fuzz(gateway, seed, share) for seed in range(SESSIONS)))
        assert sum(counts) >= EVENTS
        async with live_call(gateway) as caller:
            await caller.speak()
            await caller.until(HEARD)
        assert gateway.state.services.engine.pid == engine_pid
    assert not complaints, complaints[0]
