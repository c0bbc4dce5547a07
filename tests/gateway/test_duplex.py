"""Turns by forecasts over the real socket: doubt, backchannels of both sides, taking back."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator

import numpy as np
import pytest
from gateway_calls import Caller, Event, Gateway, running_gateway, silence, tone

from voiceserver.engine.messages import PredictTurnEnd, Released, Respond

SEMANTIC = {"input": {"turn_detection": {"type": "semantic_vad"}}}
BACKCHANNEL_HZ = 700.0


@pytest.fixture(scope="module")
def foreseeing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A server whose engine forecasts."""
    journal = tmp_path_factory.mktemp("duplex") / "journal"
    with running_gateway(journal, forecasts=True) as running:
        yield running


async def long_reply(caller: Caller) -> Event:
    """Have the assistant speak for 24 s; return once half a second of it has come."""
    await caller.settings(audio=SEMANTIC)
    await caller.write("something long")
    await caller.send("response.create")
    created = await caller.until("response.created")
    for _ in range(6):
        await caller.until("response.output_audio.delta")
    return created["response"]  # type: ignore[no-any-return]


def sound(caller: Caller, response_id: str) -> bytes:
    deltas = [
        base64.b64decode(e["delta"])
        for e in caller.events
        if e["type"] == "response.output_audio.delta" and e["response_id"] == response_id
    ]
    return b"".join(deltas)


async def test_a_turn_ends_by_forecast_and_the_prepared_reply_is_released(
    foreseeing: Gateway,
) -> None:
    async with foreseeing.call() as caller:
        await caller.settings(audio=SEMANTIC)
        await caller.append(np.concatenate([tone(0.8), silence(0.4)]))
        done = await caller.until("response.done")
        assert done["response"]["status"] == "completed"
        [respond] = foreseeing.told(caller.session_id, Respond)
        if respond.prepared:  # else the turn was over before it was read
            [released] = foreseeing.told(caller.session_id, Released)
            assert released.response_id == respond.response_id
        assert len(foreseeing.told(caller.session_id, PredictTurnEnd)) == 1, "asked once in a pause"


async def test_a_backchannel_is_let_pass_and_no_sound_is_lost(foreseeing: Gateway) -> None:
    async with foreseeing.call() as caller, foreseeing.call() as undisturbed:
        response, same = await long_reply(caller), await long_reply(undisturbed)
        for _ in range(2):
            await caller.append(tone(0.5, BACKCHANNEL_HZ), paced=True)
            await caller.append(silence(0.4), paced=True)
        await caller.nothing_more(0.5)
        await undisturbed.nothing_more(0.1)
        assert "input_audio_buffer.speech_started" not in caller.kinds()
        assert "response.done" not in caller.kinds()
        heard, whole = sound(caller, response["id"]), sound(undisturbed, same["id"])
        both = min(len(heard), len(whole))
        assert both > 2 * 24_000 * 2, "seconds of it"
        assert heard[:both] == whole[:both]


async def test_a_microphone_that_stops_in_doubt_does_not_silence_the_assistant(
    foreseeing: Gateway,
) -> None:
    async with foreseeing.call() as caller:
        response = await long_reply(caller)
        await caller.append(tone(0.16, BACKCHANNEL_HZ))  # in doubt, and nothing follows
        before = len(sound(caller, response["id"]))
        await caller.nothing_more(2.0)
        assert len(sound(caller, response["id"])) > before + 24_000  # half a second of it
        assert "input_audio_buffer.speech_started" not in caller.kinds()


async def test_an_interruption_stops_the_reply(foreseeing: Gateway) -> None:
    async with foreseeing.call() as caller:
        await long_reply(caller)
        await caller.append(tone(0.4), paced=True)
        await caller.until("input_audio_buffer.speech_started")
        done = await caller.until("response.done")
        assert done["response"]["status_details"]["reason"] == "turn_detected"


async def test_who_goes_on_is_answered_as_a_whole(foreseeing: Gateway) -> None:
    async with foreseeing.call() as caller:
        await caller.settings(audio=SEMANTIC)
        await caller.append(np.concatenate([tone(0.8), silence(0.3)]))
        await caller.until("response.output_audio.delta")
        await caller.append(tone(0.6))
        first = await caller.until("response.done")
        assert first["response"]["status"] == "cancelled"
        await caller.append(silence(0.4), paced=True)  # an answer is prepared in it
        await caller.until("response.done")
        [message] = foreseeing.told(caller.session_id, Respond)[-1].dialogue[1:]
        words = message.text.split()
        assert (message.role, words[0], words[2]) == ("user", "turn", "turn")


async def test_the_assistant_says_that_it_listens_when_asked_to(foreseeing: Gateway) -> None:
    async with foreseeing.call() as caller:
        session = await caller.settings(audio=SEMANTIC, voiceserver={"backchannels": True})
        assert session["voiceserver"] == {"backchannels": True}
        await caller.append(np.concatenate([tone(5.0), silence(0.1), tone(0.5)]))
        created = await caller.until("response.created")
        assert created["response"]["metadata"] == {"voiceserver": "backchannel"}
        assert created["response"]["conversation_id"] is None
        done = await caller.until("response.done")
        assert done["response"]["status"] == "completed"
        assert "input_audio_buffer.speech_stopped" not in caller.kinds()
        [said] = foreseeing.told(caller.session_id, Respond)
        assert said.verbatim
        await caller.nothing_more(0.5)  # it is heard to its end
        await caller.append(silence(0.4))
        await caller.until("input_audio_buffer.speech_stopped")
        answer = await caller.until("response.done")
        assert answer["response"]["conversation_id"] is not None
        dialogue = foreseeing.told(caller.session_id, Respond)[-1].dialogue
        assert [m.role for m in dialogue if m.role != "system"] == ["user"]


async def test_backchannels_are_not_said_unasked(foreseeing: Gateway) -> None:
    async with foreseeing.call() as caller:
        session = await caller.settings(audio=SEMANTIC)
        assert "voiceserver" not in session
        await caller.append(np.concatenate([tone(5.0), silence(0.1), tone(0.5)]))
        await asyncio.sleep(0.3)
        assert not foreseeing.told(caller.session_id, Respond)


async def test_a_model_that_cannot_repeat_words_offers_no_backchannels(start) -> None:  # type: ignore[no-untyped-def]
    with start(hears=True) as gateway:
        async with gateway.call() as caller:
            extension = {"backchannels": True}
            await caller.send("session.update", session={"voiceserver": extension})
            error = (await caller.next())["error"]
            assert error["param"] == "session.voiceserver.backchannels"
            session = await caller.settings(instructions="Be kind.")
            assert "voiceserver" not in session


async def test_the_extension_is_checked(foreseeing: Gateway) -> None:
    async with foreseeing.call() as caller:
        await caller.send("session.update", session={"voiceserver": {"backchannels": "yes"}})
        error = (await caller.next())["error"]
        assert error["param"] == "session.voiceserver.backchannels"


async def test_silence_is_spoken_into_in_semantic_sessions_too(foreseeing: Gateway) -> None:
    async with foreseeing.call() as caller:
        turns = {"type": "semantic_vad", "idle_timeout_ms": 1000}
        session = await caller.settings(audio={"input": {"turn_detection": turns}})
        assert session["audio"]["input"]["turn_detection"]["idle_timeout_ms"] == 1000
        await caller.append(np.concatenate([tone(0.8), silence(0.4)]))
        await caller.until("response.done")
        await caller.append(silence(3.0), paced=True)
        await caller.until("input_audio_buffer.timeout_triggered")
        await caller.until("response.created")
