"""Typed turns, items, settings and out-of-band replies over the real socket."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import pytest
from gateway_calls import Gateway, silence, tone

from voiceserver.engine.messages import Respond
from voiceserver.engine.tools import ToolCall


async def test_a_typed_turn_answered_in_text(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await caller.settings(output_modalities=["text"])
        await caller.write("hello", id="mine")
        await caller.send("response.create")
        done = await caller.until("response.done")
        assert caller.kinds()[2:] == [
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
            "response.output_item.added",
            "conversation.item.added",
            "response.content_part.added",
            *["response.output_text.delta"] * 3,
            "response.output_text.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
            "response.done",
        ]
        assert done["response"]["output"][0]["content"] == [
            {"type": "output_text", "text": "I heard hello."}
        ]
        assert done["response"]["output_modalities"] == ["text"]
        assert gateway.told(caller.session_id, Respond)[0].speak is False


@pytest.mark.parametrize("kind", ["output_text", "text", "input_text"])  # ours, beta, Pipecat's
async def test_text_of_an_assistant_may_be_called_otherwise(gateway: Gateway, kind: str) -> None:
    async with gateway.call() as caller:
        content = [{"type": kind, "text": "c"}]
        reply = {"type": "message", "role": "assistant", "content": content}
        await caller.send("conversation.item.create", item=reply)
        added = (await caller.until("conversation.item.added"))["item"]
        assert added["content"] == [{"type": "output_text", "text": "c"}]


async def test_items_are_placed_kept_and_deleted(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await caller.write("b", id="b")
        assert caller.events[-1]["previous_item_id"] is None
        content = [{"type": "output_text", "text": "c"}]
        reply = {"type": "message", "id": "c", "role": "assistant", "content": content}
        await caller.send("conversation.item.create", item=reply)
        assert (await caller.until("conversation.item.added"))["previous_item_id"] == "b"
        first = {
            "type": "message",
            "id": "a",
            "role": "system",
            "content": [{"type": "input_text", "text": "a"}],
        }
        await caller.send("conversation.item.create", item=first, previous_item_id="root")
        await caller.until("conversation.item.done")
        assert (await caller.until("conversation.item.added"))["previous_item_id"] is None
        call = {"type": "function_call", "id": "f", "call_id": "k", "name": "n", "arguments": "{}"}
        await caller.send("conversation.item.create", item=call, previous_item_id="c")
        added = (await caller.until("conversation.item.added"))["item"]
        assert added == {**call, "object": "realtime.item", "status": "completed"}
        output = {"type": "function_call_output", "call_id": "k", "output": "42"}
        await caller.send("conversation.item.create", item=output)
        assert (await caller.until("conversation.item.added"))["item"]["output"] == "42"
        await caller.send("conversation.item.delete", item_id="c")
        assert (await caller.until("conversation.item.deleted"))["item_id"] == "c"
        await caller.send("response.create", response={"instructions": ""})
        await caller.until("response.done")
        dialogue = gateway.told(caller.session_id, Respond)[0].dialogue
        assert [(m.role, m.text) for m in dialogue] == [
            ("system", "a"),
            ("user", "b"),
            ("assistant", ""),
            ("tool", "42"),
        ]
        assert dialogue[2].call == ToolCall("k", "n", "{}")
        assert dialogue[3].call_id == "k"


async def test_audio_inside_an_item_is_transcribed_before_it_is_answered(
    gateway: Gateway,
) -> None:
    async with gateway.call() as caller:
        await caller.settings(audio={"input": {"transcription": {"model": "any"}}})
        clip = base64.b64encode(tone(1.0).tobytes()).decode()
        content = [{"type": "input_text", "text": "listen"}, {"type": "input_audio", "audio": clip}]
        message = {"type": "message", "role": "user", "content": content}
        await caller.send("conversation.item.create", item=message)
        await caller.send("response.create")
        name = "conversation.item.input_audio_transcription.completed"
        completed = await caller.until(name)
        assert (completed["transcript"], completed["content_index"]) == ("turn 1", 1)
        assert completed["usage"] == {"type": "duration", "seconds": 1.0}
        await caller.until("response.done")
        assert gateway.told(caller.session_id, Respond)[0].dialogue[-1].text == "listen turn 1"


async def test_an_items_sound_can_be_fetched(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await caller.append(np.concatenate([silence(1.0), tone(1.0), silence(0.8)]))
        user = (await caller.until("input_audio_buffer.committed"))["item_id"]
        done = (await caller.until("response.done"))["response"]
        await caller.send("conversation.item.retrieve", item_id=user)
        item = (await caller.until("conversation.item.retrieved"))["item"]
        sound = np.frombuffer(base64.b64decode(item["content"][0]["audio"]), "<i2")
        assert len(sound) / 24000 == pytest.approx(1.8, abs=0.15)  # padding, speech, pause
        assert np.abs(sound[: 24000 // 5]).max() < 100 < 8000 < np.abs(sound[12000:24000]).max()
        reply = done["output"][0]["id"]
        await caller.send("conversation.item.retrieve", item_id=reply)
        item = (await caller.until("conversation.item.retrieved"))["item"]
        whole = len(base64.b64decode(item["content"][0]["audio"]))
        assert whole == caller.audio_bytes(done["id"])
        await caller.send("conversation.item.truncate", item_id=reply, audio_end_ms=500)
        await caller.send("conversation.item.retrieve", item_id=reply)
        item = (await caller.until("conversation.item.retrieved"))["item"]
        assert len(base64.b64decode(item["content"][0]["audio"])) == 24000


async def test_a_reply_outside_the_conversation(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await caller.write("remember me", id="r")
        said = {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "aside"}],
        }
        await caller.send(
            "response.create",
            response={
                "conversation": "none",
                "output_modalities": ["text"],
                "instructions": "Be short.",
                "metadata": {"client_event_id": "x1"},
                "input": [{"type": "item_reference", "id": "r"}, said],
                "max_output_tokens": 2,
            },
        )
        created = (await caller.until("response.created"))["response"]
        done = (await caller.until("response.done"))["response"]
        assert created["metadata"] == done["metadata"] == {"client_event_id": "x1"}
        assert created["conversation_id"] is done["conversation_id"] is None
        assert done["status"] == "incomplete"
        assert done["status_details"]["reason"] == "max_output_tokens"
        assert caller.kinds().count("conversation.item.added") == 1
        respond = gateway.told(caller.session_id, Respond)[0]
        assert [m.text for m in respond.dialogue] == ["Be short.", "remember me", "aside"]
        assert respond.max_tokens == 2


async def test_one_reply_at_a_time(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await caller.write("long")
        await caller.send("response.create")
        await caller.send("response.create", event_id="again")
        error = (await caller.until("error"))["error"]
        assert error["code"] == "conversation_already_has_active_response"
        assert error["event_id"] == "again"


async def test_a_failed_reply_is_told_and_the_session_lives(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await caller.write("please fail")
        await caller.send("response.create")
        done = (await caller.until("response.done"))["response"]
        assert done["status"] == "failed"
        assert done["status_details"]["error"]["message"] == "asked to fail"
        assert [item["status"] for item in done["output"]] == ["incomplete"]
        await caller.write("hello")
        await caller.send("response.create")
        assert (await caller.until("response.done"))["response"]["status"] == "completed"


async def test_settings_start_with_every_default_and_change_only_where_told(
    gateway: Gateway,
) -> None:
    async with gateway.call() as caller:
        session = caller.events[0]["session"]
        assert session["audio"]["input"]["turn_detection"] == {
            "type": "server_vad",
            "threshold": 0.5,
            "prefix_padding_ms": 300,
            "silence_duration_ms": 500,
            "idle_timeout_ms": None,
            "create_response": True,
            "interrupt_response": True,
        }
        assert session["output_modalities"] == ["audio"]
        assert session["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24000}
        changed = await caller.settings(
            instructions="Speak like a sailor.",
            audio={"input": {"turn_detection": {"type": "server_vad", "threshold": 0.7}}},
        )
        turns = changed["audio"]["input"]["turn_detection"]
        assert (turns["threshold"], turns["silence_duration_ms"]) == (0.7, 500)
        again = await caller.settings(max_output_tokens=50)
        assert again == {**changed, "max_output_tokens": 50}


async def test_beta_names_are_understood(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        beta = {
            "modalities": ["text", "audio"],
            "input_audio_format": "g711_ulaw",
            "input_audio_transcription": {"model": "whisper-1"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 700},
            "max_response_output_tokens": "inf",
            "voice": "alloy",
        }
        await caller.send("session.update", session=beta)
        audio = (await caller.until("session.updated"))["session"]["audio"]
        assert audio["input"]["format"] == {"type": "audio/pcmu"}
        assert audio["input"]["transcription"] == {"model": "whisper-1"}
        assert audio["input"]["turn_detection"]["silence_duration_ms"] == 700
        assert audio["output"]["voice"] == "alloy"


async def test_what_real_clients_send_is_understood(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        off = await caller.settings(audio={"input": {"turn_detection": False}})
        assert off["audio"]["input"]["turn_detection"] is None
        full = {  # the shape LiveKit's plugin sends
            "model": "gpt-realtime",
            "tools": [],
            "tool_choice": "auto",
            "tracing": None,
            "max_output_tokens": "inf",
            "truncation": {"type": "retention_ratio", "retention_ratio": 0.8},
            "audio": {
                "input": {
                    "format": {"type": "audio/pcm", "rate": 24000},
                    "noise_reduction": None,
                    "transcription": {"model": "gpt-4o-mini-transcribe"},
                    "turn_detection": {"type": "semantic_vad", "eagerness": "medium"},
                },
                "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "marin"},
            },
        }
        session = await caller.settings(**full)
        assert session["audio"]["output"]["voice"] == "marin"
        assert session["audio"]["input"]["turn_detection"]["interrupt_response"] is True


BAD_SETTINGS: list[tuple[dict[str, Any], str]] = [
    ({"output_modalities": ["smell"]}, "session.output_modalities.0"),
    ({"max_output_tokens": 0}, "session.max_output_tokens"),
    ({"audio": {"input": {"format": {"type": "audio/mp3"}}}}, "session.audio.input.format.type"),
    (
        {"audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 3}}}},
        "session.audio.input.turn_detection.threshold",
    ),
    ({"instructions": 7}, "session.instructions"),
    ({"type": "translation"}, "session.type"),
    ({"tools": [{"type": "function"}]}, "session.tools.0.name"),
    ({"tools": [{"type": "mcp", "server_label": "x"}]}, "session.tools.0.server_url"),
    ({"tools": [{"type": "web_search"}]}, "session.tools.0.type"),
    ({"tool_choice": {"type": "function"}}, "session.tool_choice.name"),
    ({"audio": {"output": {"voice": {}}}}, "session.audio.output.voice.id"),
    (
        {"audio": {"input": {"format": {"type": "audio/pcm", "rate": 16000}}}},
        "session.audio.input.format.rate",
    ),
    (
        {"truncation": {"type": "retention_ratio", "retention_ratio": 2}},
        "session.truncation.retention_ratio",
    ),
]


@pytest.mark.parametrize(("settings", "param"), BAD_SETTINGS)
async def test_a_wrong_setting_is_named(
    gateway: Gateway, settings: dict[str, Any], param: str
) -> None:
    async with gateway.call() as caller:
        session = {"type": "realtime"} | settings
        await caller.send("session.update", session=session, event_id="bad")
        error = (await caller.until("error"))["error"]
        assert (error["param"], error["event_id"]) == (param, "bad")
        assert error["type"] == "invalid_request_error"
        await caller.settings()
