"""Conversations over WebRTC: sound both ways, events over the data channel, interruptions."""

from __future__ import annotations

import asyncio
import os
import signal

from gateway_calls import PATIENCE_S, Gateway
from rtc_caller import RtcCaller, rtc_call

from voiceserver.engine.messages import Cancel, Respond

WORD_S = 0.4  # the scripted engine's


def session_id(caller: RtcCaller) -> str:
    return str(caller.events[0]["session"]["id"])


async def begin_long_reply(caller: RtcCaller, heard_s: float) -> str:
    """Have a reply of 24 s begun and heard for so long; its id."""
    caller.write("a long one please")
    started = await caller.until("output_audio_buffer.started")
    await caller.until_heard(heard_s)
    return str(started["response_id"])


async def test_a_spoken_turn_is_answered_aloud(gateway: Gateway) -> None:
    async with rtc_call(gateway, "&timing=1") as caller:
        caller.speak()
        await caller.until("output_audio_buffer.stopped")
        await caller.until_quiet()
        kinds = caller.kinds()
        told = [
            "input_audio_buffer.speech_started",
            "input_audio_buffer.committed",
            "response.created",
            "response.content_part.added",
            "output_audio_buffer.started",
            "response.done",
            "output_audio_buffer.stopped",
        ]
        assert [kind for kind in kinds if kind in told] == told
        assert "response.output_audio.delta" not in kinds  # the sound comes over its track
        assert "response.output_audio.done" in kinds
        said = "".join(e["delta"] for e in caller.events if e["type"].endswith("transcript.delta"))
        assert said == "I heard turn 1."
        assert abs(caller.loud_s() - len(said.split()) * WORD_S) < 0.15
        starts = [e["start_time"] for e in caller.events if e["type"].endswith("transcript.delta")]
        assert starts[0] == 0.0
        assert all(abs(at - i * WORD_S) < 0.15 for i, at in enumerate(starts))


async def test_a_turn_ends_though_nothing_is_sent_after_it(gateway: Gateway) -> None:
    async with rtc_call(gateway) as caller:
        caller.microphone.stops_when_said = True
        caller.speak()
        await caller.until("input_audio_buffer.committed")
        await caller.until("output_audio_buffer.stopped")


async def test_a_voice_stops_the_reply_and_what_was_unheard_was_not_said(gateway: Gateway) -> None:
    async with rtc_call(gateway) as caller:
        response_id = await begin_long_reply(caller, 1.0)
        caller.speak(0.5)
        done = (await caller.until("response.done"))["response"]
        assert (done["id"], done["status"]) == (response_id, "cancelled")
        assert done["status_details"]["reason"] == "turn_detected"
        cleared = await caller.until("output_audio_buffer.cleared")
        assert cleared["response_id"] == response_id
        cut = await caller.until("conversation.item.truncated")
        assert cut["item_id"] == done["output"][0]["id"]
        await caller.until_quiet()
        assert abs(cut["audio_end_ms"] / 1000 - caller.loud_s()) < 0.15
        await caller.until("output_audio_buffer.stopped")  # the interruption is answered
        remembered = gateway.told(session_id(caller), Respond)[-1].dialogue
        heard = next(m.text for m in remembered if m.text.startswith("word0"))
        assert len(heard.split()) <= cut["audio_end_ms"] / 1000 / WORD_S + 1
        assert gateway.told(session_id(caller), Cancel)
        assert "output_audio_buffer.stopped" not in caller.kinds()[: caller.events.index(cut)]


async def test_the_end_of_a_reply_already_made_can_be_interrupted(gateway: Gateway) -> None:
    async with rtc_call(gateway) as caller:
        caller.write("hello")
        done = await caller.until("response.done")  # the engine is done 0.4 s before the sound
        caller.speak(0.3)
        cleared = await caller.until("output_audio_buffer.cleared")
        assert cleared["response_id"] == done["response"]["id"]
        cut = await caller.until("conversation.item.truncated")
        assert 0 < cut["audio_end_ms"] < 3 * WORD_S * 1000  # "I heard hello."


async def test_the_client_can_clear_what_sounds(gateway: Gateway) -> None:
    async with rtc_call(gateway) as caller:
        response_id = await begin_long_reply(caller, 0.5)
        caller.send("output_audio_buffer.clear")
        done = (await caller.until("response.done"))["response"]
        assert (done["id"], done["status"]) == (response_id, "cancelled")
        assert (await caller.until("output_audio_buffer.cleared"))["response_id"] == response_id
        cut = await caller.until("conversation.item.truncated")
        await caller.until_quiet()
        assert abs(cut["audio_end_ms"] / 1000 - caller.loud_s()) < 0.15
        caller.send("output_audio_buffer.clear")  # nothing is left to clear: no error, no event
        caller.send("session.update", session={"type": "realtime"})
        await caller.until("session.updated")
        assert caller.kinds().count("output_audio_buffer.cleared") == 1


async def test_who_is_not_to_be_interrupted_is_not(gateway: Gateway) -> None:
    async with rtc_call(gateway) as caller:
        detection = {"type": "server_vad", "interrupt_response": False}
        audio = {"input": {"turn_detection": detection}}
        caller.send("session.update", session={"type": "realtime", "audio": audio})
        await begin_long_reply(caller, 0.3)
        caller.speak(0.4)
        await caller.until("input_audio_buffer.speech_started")
        await caller.until_heard(caller.loud_s() + 0.5)  # it goes on
        assert "output_audio_buffer.cleared" not in caller.kinds()


async def test_wrong_events_name_their_field(gateway: Gateway) -> None:
    async with rtc_call(gateway) as caller:
        caller.send("input_audio_buffer.append", event_id="e1", audio="AAAA")
        error = (await caller.next())["error"]
        assert (error["param"], error["event_id"]) == ("type", "e1")
        caller.channel.send(b"\xff")
        assert (await caller.next())["error"]["code"] == "invalid_json"
        caller.send("session.update", session={"type": "realtime"})
        await caller.until("session.updated")
    async with gateway.call() as other:
        await other.send("output_audio_buffer.clear", event_id="e2")
        error = (await other.next())["error"]
        assert (error["param"], error["event_id"]) == ("type", "e2")


async def test_items_are_retrieved_without_their_sound(gateway: Gateway) -> None:
    async with rtc_call(gateway) as caller:
        caller.speak(0.4)
        committed = await caller.until("input_audio_buffer.committed")
        caller.send("conversation.item.retrieve", item_id=committed["item_id"])
        (part,) = (await caller.until("conversation.item.retrieved"))["item"]["content"]
        assert part["type"] == "input_audio"
        assert part.get("audio") is None


async def test_an_event_too_long_for_the_channel_is_told_of(gateway: Gateway) -> None:
    async with rtc_call(gateway, most_bytes=8_000) as caller:
        session = {"type": "realtime", "instructions": "Be brief. " * 1_000}
        caller.send("session.update", session=session)
        while (event := await caller.next())["type"] != "error":
            pass
        assert event["error"]["code"] == "event_too_long"


async def test_a_dying_engine_does_not_end_the_call(start) -> None:  # type: ignore[no-untyped-def]
    with start() as gateway:
        async with rtc_call(gateway) as caller:
            await begin_long_reply(caller, 0.2)
            os.kill(gateway.state.services.engine.pid, signal.SIGKILL)
            while (event := await caller.next())["type"] != "error":
                pass
            assert event["error"]["code"] == "engine_restarted"
            done = (await caller.until("response.done"))["response"]
            assert done["status"] == "failed"
            await caller.until("output_audio_buffer.stopped")
            caller.write("are you there")
            done = (await caller.until("response.done"))["response"]
            assert done["status"] == "completed"


async def test_a_server_that_stops_lets_the_reply_be_heard(start) -> None:  # type: ignore[no-untyped-def]
    with start() as gateway:
        async with rtc_call(gateway) as caller:
            caller.write("hello")
            await caller.until("output_audio_buffer.started")
            gateway.server.handle_exit(signal.SIGTERM, None)
            await caller.until("output_audio_buffer.stopped")
            await asyncio.wait_for(caller.over.wait(), PATIENCE_S)
            assert abs(caller.loud_s() - 3 * WORD_S) < 0.15
