"""Interrupting the assistant: what stops, what is remembered, what the client is told."""

from __future__ import annotations

import asyncio

import numpy as np
from gateway_calls import Caller, Event, Gateway, silence, tone

from voiceserver.engine.messages import Cancel, Respond


async def long_reply(caller: Caller) -> Event:
    """Have the assistant speak for 24 s; return once a second of it has come."""
    await caller.settings(audio={"input": {"turn_detection": {"type": "server_vad"}}})
    await caller.write("something long")
    await caller.send("response.create")
    created = await caller.until("response.created")
    for _ in range(12):
        await caller.until("response.output_audio.delta")
    await asyncio.sleep(0.4)  # what was sent ahead has now been heard
    return created["response"]  # type: ignore[no-any-return]


async def test_speech_ends_the_reply_and_nothing_of_it_follows(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        response = await long_reply(caller)
        await caller.append(tone(0.4), paced=True)
        started = await caller.until("input_audio_buffer.speech_started")
        done = await caller.until("response.done")
        assert done["response"]["status"] == "cancelled"
        assert done["response"]["status_details"] == {
            "type": "cancelled",
            "reason": "turn_detected",
        }
        kinds = caller.kinds()
        between = kinds[kinds.index(started["type"]) : kinds.index("response.done")]
        assert "response.output_audio.delta" not in between
        assert between[-5:] == [
            "response.output_audio.done",
            "response.output_audio_transcript.done",
            "response.content_part.done",
            "conversation.item.done",
            "response.output_item.done",
        ]
        [reply] = done["response"]["output"]
        assert reply["status"] == "incomplete"
        before = caller.audio_bytes(response["id"])
        await caller.nothing_more(0.5)
        assert caller.audio_bytes(response["id"]) == before
        assert len(gateway.told(caller.session_id, Cancel)) == 1


async def test_the_next_turn_knows_only_what_was_heard(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await long_reply(caller)
        await caller.append(tone(0.6), paced=True)
        done = await caller.until("response.done")
        sent = done["response"]["output"][0]["content"][0]["transcript"].split()
        await caller.speak(0.2)
        await caller.until("response.done")
        assistant = gateway.told(caller.session_id, Respond)[-1].dialogue[-2]
        heard = assistant.text.split()
        assert assistant.role == "assistant"
        assert 2 <= len(heard) <= len(sent)
        assert heard == sent[: len(heard)]


async def test_truncate_keeps_exactly_the_words_heard(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await long_reply(caller)
        await caller.append(tone(0.6), paced=True)
        done = await caller.until("response.done")
        item_id = done["response"]["output"][0]["id"]
        # The scripted voice says word n from 0.4 n to 0.4 n + 0.35 s.
        await caller.send(
            "conversation.item.truncate", item_id=item_id, content_index=0, audio_end_ms=1150
        )
        truncated = await caller.until("conversation.item.truncated")
        assert truncated["audio_end_ms"] == 1150
        await caller.send("conversation.item.retrieve", item_id=item_id)
        item = (await caller.until("conversation.item.retrieved"))["item"]
        assert item["content"][0]["transcript"] == "word0 word1 word2"
        await caller.speak(0.2)
        await caller.until("response.done")
        assistant = gateway.told(caller.session_id, Respond)[-1].dialogue[-2]
        assert assistant.text == "word0 word1 word2"


async def test_a_short_noise_does_not_interrupt(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await long_reply(caller)
        await caller.append(tone(0.1), paced=True)
        later = [e["type"] for e in await caller.nothing_more(0.5)]
        assert "input_audio_buffer.speech_started" not in later
        assert "response.output_audio.delta" in later


async def test_without_interrupt_response_the_reply_goes_on(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        turns = {"type": "server_vad", "interrupt_response": False, "silence_duration_ms": 200}
        await caller.settings(audio={"input": {"turn_detection": turns}})
        await caller.speak()
        await caller.until("response.output_audio.delta")
        await caller.speak(0.5)
        first = await caller.until("response.done")
        second = await caller.until("response.done")
        assert [r["response"]["status"] for r in (first, second)] == ["completed"] * 2


async def test_the_client_cancels(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        response = await long_reply(caller)
        await caller.send("response.cancel", response_id=response["id"])
        done = await caller.until("response.done")
        assert done["response"]["status_details"]["reason"] == "client_cancelled"
        await caller.send("response.cancel", event_id="second")
        error = (await caller.until("error"))["error"]
        assert error["code"] == "response_cancel_not_active"
        assert error["message"].startswith("Cancellation failed")
        assert error["event_id"] == "second"


async def test_timing_is_told_to_who_asks(start) -> None:  # type: ignore[no-untyped-def]
    with start(say="long") as gateway:
        await timing_of_a_turn_and_its_interruption(gateway)


async def timing_of_a_turn_and_its_interruption(gateway: Gateway) -> None:
    async with gateway.call("&timing=1") as caller:
        await caller.append(np.concatenate([tone(0.8), silence(0.8)]), paced=True)
        timing = await caller.until("voiceserver.turn.timing")
        assert timing["end_of_turn_ms"] >= 450  # server_vad waits for 500 ms of silence
        assert timing["recognised_ms"] < timing["end_of_turn_ms"] <= timing["first_audio_ms"]
        await asyncio.sleep(0.4)
        await caller.append(tone(0.4), paced=True)
        stopped = await caller.until("voiceserver.interruption.timing")
        assert stopped["response_id"] == timing["response_id"]
        assert stopped["stopped_ms"] >= 100  # a cough is shorter
        assert 50 <= stopped["heard_ms"] < 5000  # of 24 s; how much depends on the machine
