"""Turns over the real socket: which events come, in which order, and what the engine is asked."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from gateway_calls import Gateway, silence, tone

from voiceserver.audio.g711 import pcm16_to_alaw, pcm16_to_ulaw
from voiceserver.engine.messages import Cancel, Recognise, ReduceNoise, Respond, TurnBegan

TRANSCRIBE = {"input": {"transcription": {"model": "whisper-1"}}}
SPOKEN_TURN = [
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.delta",
    "conversation.item.input_audio_transcription.completed",
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
    "response.output_audio_transcript.delta",
    "response.output_audio.delta",
]
REPLY_END = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
]


async def test_a_spoken_turn_comes_in_order(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await caller.settings(audio=TRANSCRIBE)
        await caller.speak()
        done = await caller.until("response.done")
        kinds = caller.kinds()[2:]
        assert kinds[: len(SPOKEN_TURN)] == SPOKEN_TURN
        assert kinds[-len(REPLY_END) :] == REPLY_END
        assert done["response"]["status"] == "completed"
        usage = done["response"]["usage"]
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"] > 0
        [reply] = done["response"]["output"]
        assert reply["content"] == [{"type": "output_audio", "transcript": "I heard turn 1."}]


async def test_items_point_at_each_other(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await caller.speak()
        started = await caller.until("input_audio_buffer.speech_started")
        committed = await caller.until("input_audio_buffer.committed")
        user = await caller.until("conversation.item.added")
        assistant = await caller.until("conversation.item.added")
        assert started["item_id"] == committed["item_id"] == user["item"]["id"]
        assert committed["previous_item_id"] is user["previous_item_id"] is None
        assert assistant["previous_item_id"] == user["item"]["id"]
        assert user["item"]["content"] == [{"type": "input_audio", "transcript": None}]


async def test_speech_times_are_on_the_audio_clock(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await caller.append(np.concatenate([silence(1.0), tone(1.0), silence(0.8)]))
        started = await caller.until("input_audio_buffer.speech_started")
        stopped = await caller.until("input_audio_buffer.speech_stopped")
        assert started["audio_start_ms"] == pytest.approx(700, abs=70)  # 300 ms of padding
        assert stopped["audio_end_ms"] == pytest.approx(2500, abs=100)


async def test_transcript_deltas_run_in_step_with_the_audio(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await caller.speak()
        done = await caller.until("response.done")
        heard_s, at = 0.0, []
        for event in caller.events:
            if event["type"] == "response.output_audio.delta":
                heard_s += len(base64.b64decode(event["delta"])) / 48000
            if event["type"] == "response.output_audio_transcript.delta":
                assert event["start_time"] == pytest.approx(heard_s, abs=0.05)  # the filter lags
                at.append((event["delta"], heard_s))
        assert "".join(delta for delta, _ in at) == "I heard turn 1."
        for index, (_, sent_s) in enumerate(at):  # the scripted voice takes 0.4 s a word
            assert 0.4 * index - 0.13 <= sent_s <= 0.4 * index + 0.001
        assert heard_s == pytest.approx(1.63, abs=0.05)
        assert done["response"]["status"] == "completed"


async def test_the_answer_is_prepared_in_the_pause_and_only_once(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await caller.append(np.concatenate([tone(0.6), silence(0.3)]))
        while not gateway.told(caller.session_id, Respond):
            assert not await caller.nothing_more(0.05) or "response.created" not in caller.kinds()
        await caller.append(silence(0.5))
        await caller.until("response.done")
        assert len(gateway.told(caller.session_id, Respond)) == 1
        assert not gateway.told(caller.session_id, Cancel)


async def test_a_prepared_answer_is_dropped_unheard_when_the_user_goes_on(
    gateway: Gateway,
) -> None:
    async with gateway.call() as caller:
        await caller.append(np.concatenate([tone(0.6), silence(0.3)]))
        while not gateway.told(caller.session_id, Respond):
            await caller.nothing_more(0.05)
        await caller.speak()
        done = await caller.until("response.done")
        first, second = gateway.told(caller.session_id, Respond)
        assert done["response"]["id"] == second.response_id != first.response_id
        assert first.response_id not in {e.get("response_id") for e in caller.events}
        assert [c.epoch for c in gateway.told(caller.session_id, Cancel)] == [first.epoch]
        assert caller.kinds().count("input_audio_buffer.speech_started") == 1


async def test_the_next_turn_is_answered_with_the_history(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await caller.settings(instructions="Be kind.")
        await caller.speak()
        await caller.until("response.done")
        await caller.nothing_more(0.8)  # what has been sent is heard to its end
        await caller.speak()
        await caller.until("response.done")
        dialogue = gateway.told(caller.session_id, Respond)[-1].dialogue
        assert [(m.role, m.text) for m in dialogue] == [
            ("system", "Be kind."),
            ("user", "turn 1"),
            ("assistant", "I heard turn 1."),
            ("user", "turn 2"),
        ]


async def test_an_engine_that_hears_answers_before_the_transcript_is_asked_for(start) -> None:  # type: ignore[no-untyped-def]
    with start(hears=True) as gateway:
        async with gateway.call() as caller:
            await caller.settings(audio=TRANSCRIBE)
            await caller.speak()
            done = await caller.until("response.done")
            [reply] = done["response"]["output"]
            assert reply["content"][0]["transcript"] == "I heard your voice."
            kinds = caller.kinds()
            transcribed = "conversation.item.input_audio_transcription.completed"
            assert kinds.index("response.created") < kinds.index(transcribed)
            [began] = gateway.told(caller.session_id, TurnBegan)
            told = gateway.told(caller.session_id, object)
            order = [type(message) for message in told if isinstance(message, Respond | Recognise)]
            assert order == [Respond, Recognise]
            [respond] = gateway.told(caller.session_id, Respond)
            assert respond.dialogue[-1].start_sample == began.start_sample


async def test_semantic_turns_end_by_the_sound_of_the_voice(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        session = await caller.settings(
            audio={"input": {"turn_detection": {"type": "semantic_vad", "eagerness": "high"}}}
        )
        assert session["audio"]["input"]["turn_detection"] == {
            "type": "semantic_vad",
            "eagerness": "high",
            "create_response": True,
            "interrupt_response": True,
        }
        await caller.append(np.concatenate([tone(0.8), silence(0.3)]))  # server_vad would wait
        await caller.until("response.done")


async def test_manual_turns_are_committed_and_answered_on_request(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        await caller.settings(audio={"input": {"turn_detection": None}})
        await caller.append(tone(0.5))
        await caller.send("input_audio_buffer.commit")
        await caller.send("response.create")
        await caller.until("response.done")
        assert caller.kinds()[2:6] == [
            "input_audio_buffer.committed",
            "conversation.item.added",
            "conversation.item.done",
            "response.created",
        ]
        [asked] = gateway.told(caller.session_id, Recognise)
        assert asked.final
        assert asked.end_sample - asked.start_sample == pytest.approx(8000, abs=500)
        assert gateway.told(caller.session_id, Respond)[0].dialogue[-1].text == "turn 1"


async def test_a_turn_without_words_is_not_answered(start) -> None:  # type: ignore[no-untyped-def]
    with start(say="") as gateway:
        async with gateway.call() as caller:
            await caller.speak()
            await caller.until("input_audio_buffer.committed")
            assert "response.created" not in [e["type"] for e in await caller.nothing_more()]


async def test_unreadable_speech_is_told_and_not_answered(start) -> None:  # type: ignore[no-untyped-def]
    with start(say="unreadable") as gateway:
        async with gateway.call() as caller:
            await caller.settings(audio=TRANSCRIBE)
            await caller.speak()
            failed = await caller.until("conversation.item.input_audio_transcription.failed")
            assert failed["error"]["code"] == "audio_unintelligible"
            assert not await caller.nothing_more()


async def test_silence_is_spoken_into_after_the_idle_timeout(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        turns = {"type": "server_vad", "idle_timeout_ms": 1000}
        await caller.settings(audio={"input": {"turn_detection": turns}})
        await caller.speak()
        await caller.until("response.done")
        await caller.append(silence(2.6), paced=True)
        timeout = await caller.until("input_audio_buffer.timeout_triggered")
        assert timeout["audio_end_ms"] - timeout["audio_start_ms"] >= 1000
        await caller.until("response.created")


@pytest.mark.parametrize("kind", ["audio/pcmu", "audio/pcma"])
async def test_telephone_audio(gateway: Gateway, kind: str) -> None:
    async with gateway.call() as caller:
        form = {"type": kind}
        await caller.settings(audio={"input": {"format": form}, "output": {"format": form}})
        encode = pcm16_to_ulaw if kind == "audio/pcmu" else pcm16_to_alaw
        heard = np.concatenate([tone(0.8)[::3], silence(0.8)[::3]])
        audio = base64.b64encode(encode(heard)).decode()
        await caller.send("input_audio_buffer.append", audio=audio)
        done = await caller.until("response.done")
        seconds = caller.audio_bytes(done["response"]["id"]) / 8000
        assert seconds == pytest.approx(1.63, abs=0.05)


async def test_noise_reduction_reaches_the_engine(gateway: Gateway) -> None:
    async with gateway.call() as caller:
        wanted = {"type": "far_field"}
        session = await caller.settings(audio={"input": {"noise_reduction": wanted}})
        assert session["audio"]["input"]["noise_reduction"] == wanted
        session = await caller.settings(audio={"input": {"noise_reduction": None}})
        assert session["audio"]["input"]["noise_reduction"] is None
        await caller.speak()
        await caller.until("response.done")
        told = [message.noise for message in gateway.told(caller.session_id, ReduceNoise)]
        assert told == ["far_field", None]
