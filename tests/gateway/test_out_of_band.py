"""Replies beside the conversation, replies with a sound of their own, and a history replayed."""

from __future__ import annotations

import base64
from typing import Any

from gateway_calls import Caller, Event, Gateway

from voiceserver.engine.messages import Respond


def said(text: str) -> Event:
    content = [{"type": "input_text", "text": text}]
    return {"type": "message", "role": "user", "content": content}


async def ask(caller: Caller, **response: Any) -> Event:
    """Ask for a reply and wait for its beginning."""
    await caller.send("response.create", response=response)
    created: Event = (await caller.until("response.created"))["response"]
    return created


async def test_the_users_voice_does_not_end_it(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        aside = await ask(caller, conversation="none", input=[said("long")], metadata={"a": "b"})
        await caller.until("response.output_audio.delta")
        await caller.speak()
        await caller.until("input_audio_buffer.speech_started")
        await caller.until("conversation.item.done")
        assert "response.done" not in caller.kinds()
        await caller.send("response.cancel", response_id=aside["id"])
        done = (await caller.until("response.done"))["response"]
        assert (done["id"], done["metadata"]) == (aside["id"], {"a": "b"})
        assert done["status_details"]["reason"] == "client_cancelled"
        answer = (await caller.until("response.done"))["response"]
        assert answer["output"][0]["content"][0]["transcript"] == "I heard turn 1."
        assert answer["conversation_id"] is not None
        reads = gateway.told(caller.session_id, Respond)[-1].dialogue
        assert [m.text for m in reads if m.role != "system"] == ["turn 1"]


async def test_its_sound_may_be_cut_though_it_is_no_item(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await ask(caller, conversation="none", input=[said("hi")])
        done = (await caller.until("response.done"))["response"]
        item_id = done["output"][0]["id"]
        await caller.send("conversation.item.truncate", item_id=item_id, audio_end_ms=100)
        assert (await caller.until("conversation.item.truncated"))["item_id"] == item_id
        await caller.send("conversation.item.retrieve", item_id=item_id)
        error = (await caller.until("error"))["error"]
        assert error["code"] == "item_retrieve_invalid_item_id"


async def test_one_reply_may_sound_otherwise(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        output = {"format": {"type": "audio/pcmu"}, "voice": "ash"}
        created = await ask(caller, input=[said("hello")], audio={"output": output})
        done = (await caller.until("response.done"))["response"]
        assert created["audio"]["output"] == done["audio"]["output"] == output
        as_ulaw = caller.audio_bytes(done["id"])
        await caller.send("conversation.item.retrieve", item_id=done["output"][0]["id"])
        item = (await caller.until("conversation.item.retrieved"))["item"]
        as_kept = len(base64.b64decode(item["content"][0]["audio"]))
        assert abs(as_kept / 6 - as_ulaw) < 10, "in the session's format"
        await ask(caller, input=[said("hello")])
        done = (await caller.until("response.done"))["response"]
        assert done["audio"]["output"]["format"] == {"type": "audio/pcm", "rate": 24000}
        # The same words at 24 kHz of two bytes instead of 8 kHz of one.
        assert abs(caller.audio_bytes(done["id"]) / 6 - as_ulaw) < 0.05 * as_ulaw


async def test_a_history_is_replayed_with_its_ids_and_order(gateway: Gateway) -> None:
    call = {"call_id": "k", "name": "look", "arguments": "{}"}
    history: list[Event] = [
        {"type": "message", "role": "system", "content": [{"type": "input_text", "text": "sys"}]},
        said("what is there"),
        {"type": "function_call", **call},
        {"type": "function_call_output", "call_id": "k", "output": "a wall"},
        {
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "There is a wall."}],
        },
        said("thanks"),
    ]
    async with gateway.call() as caller:
        before = "root"
        for number, item in enumerate(history):
            item_id = f"item_{number}"
            await caller.send(
                "conversation.item.create",
                event_id=f"e{number}",
                previous_item_id=before,
                item={"id": item_id, **item},
            )
            added = await caller.until("conversation.item.added")
            assert added["item"]["id"] == item_id
            assert added["previous_item_id"] == (None if before == "root" else before)
            before = item_id
        await caller.send("response.create")
        assert (await caller.until("response.done"))["response"]["status"] == "completed"
        reads = [m for m in gateway.told(caller.session_id, Respond)[-1].dialogue if m.text]
        assert [(m.role, m.text) for m in reads][-5:] == [
            ("system", "sys"),
            ("user", "what is there"),
            ("tool", "a wall"),
            ("assistant", "There is a wall."),
            ("user", "thanks"),
        ]
