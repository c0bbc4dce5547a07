"""Transcription sessions: turns are written down and counted, and nothing is answered."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from gateway_calls import Caller, Gateway, tone

from voiceserver.engine.messages import Respond
from voiceserver.gateway.realtime.patches import SessionPatch
from voiceserver.gateway.realtime.settings import RealtimeSettings

COMPLETED = "conversation.item.input_audio_transcription.completed"


async def transcript(caller: Caller) -> dict[str, Any]:
    await caller.speak()
    return await caller.until(COMPLETED)


async def test_asked_for_in_the_address(gateway: Gateway) -> None:
    async with gateway.call("&intent=transcription") as caller:
        session = caller.events[0]["session"]
        assert set(session) == {"type", "object", "id", "expires_at", "include", "audio"}
        assert (session["type"], session["object"]) == (
            "transcription",
            "realtime.transcription_session",
        )
        assert session["audio"]["input"]["transcription"] == {"model": "nano"}
        assert session["audio"]["input"]["turn_detection"] == {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
        }
        completed = await transcript(caller)
        assert completed["transcript"] == "turn 1"
        assert completed["usage"]["type"] == "duration"
        assert 0.8 <= completed["usage"]["seconds"] < 2.5
        assert not [e for e in await caller.nothing_more() if e["type"].startswith("response.")]
        assert not gateway.told(caller.session_id, Respond)


async def test_asked_for_by_an_update_and_given_up_again(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        wanted = {"model": "whisper-1", "language": "en"}
        session = await caller.settings(
            type="transcription", audio={"input": {"transcription": wanted, "turn_detection": None}}
        )
        assert session["type"] == "transcription"
        assert session["audio"]["input"]["transcription"] == wanted
        await caller.append(tone(0.8))
        await caller.send("input_audio_buffer.commit")
        assert (await caller.until(COMPLETED))["transcript"] == "turn 1"
        await caller.send("response.create", event_id="no")
        error = (await caller.until("error"))["error"]
        assert (error["code"], error["event_id"]) == ("bad_response_create", "no")
        await caller.settings(type="realtime")
        await caller.send("response.create")
        assert (await caller.until("response.done"))["response"]["status"] == "completed"


async def test_asked_for_in_the_beta_protocol(gateway: Gateway) -> None:
    async with gateway.call("&intent=transcription") as caller:
        beta = {
            "input_audio_format": "g711_ulaw",
            "input_audio_transcription": {"model": "whisper-1"},
            "turn_detection": {"type": "server_vad", "threshold": 0.6},
        }
        await caller.send("transcription_session.update", session=beta)
        audio = (await caller.until("session.updated"))["session"]["audio"]["input"]
        assert audio["format"] == {"type": "audio/pcmu"}
        assert audio["turn_detection"]["threshold"] == 0.6


async def test_asked_for_by_a_secret(gateway: Gateway) -> None:
    async with httpx.AsyncClient(base_url=gateway.http) as client:
        body = {"session": {"type": "transcription"}}
        issued = (await client.post("/v1/realtime/client_secrets", json=body)).json()
    assert issued["session"]["type"] == "transcription"
    options = {"additional_headers": {"Authorization": f"Bearer {issued['value']}"}}
    async with gateway.call(**options) as caller:
        assert caller.events[0]["session"]["type"] == "transcription"
        assert (await transcript(caller))["transcript"] == "turn 1"


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"instructions": "Be kind."}, "session.instructions"),
    ({"output_modalities": ["text"]}, "session.output_modalities"),
    ({"tools": []}, "session.tools"),
    ({"max_output_tokens": 5}, "session.max_output_tokens"),
    ({"audio": {"output": {"voice": "ash"}}}, "session.audio.output"),
    (
        {"audio": {"input": {"transcription": {"model": 7}}}},
        "session.audio.input.transcription.model",
    ),
]


@pytest.mark.parametrize(("fields", "param"), WRONG)
async def test_a_field_of_replies_is_refused(
    gateway: Gateway, fields: dict[str, Any], param: str
) -> None:
    async with gateway.call("&intent=transcription") as caller:
        session = {"type": "transcription", **fields}
        await caller.send("session.update", session=session, event_id="bad")
        error = (await caller.until("error"))["error"]
        assert (error["param"], error["event_id"]) == (param, "bad")


def test_silence_is_not_prompted() -> None:
    asked = {"audio": {"input": {"turn_detection": {"idle_timeout_ms": 1000}}}}
    settings = RealtimeSettings.first("nano").updated(SessionPatch.model_validate(asked))
    turns = settings.for_session().turns
    assert turns is not None
    assert (turns.idle_timeout_ms, turns.create_response) == (1000, True)
    turns = settings.updated(SessionPatch(type="transcription")).for_session().turns
    assert turns is not None
    assert (turns.idle_timeout_ms, turns.create_response) == (None, False)
