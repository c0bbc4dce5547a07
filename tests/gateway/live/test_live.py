"""GPT-Live over a real socket: continuous sound, transcripts in time, and no turns to be seen."""

from __future__ import annotations

import base64

import numpy as np
import pytest
from gateway_calls import Gateway, silence, tone
from live_calls import AUDIO, HEARD, SAID, live_call
from openai import AsyncOpenAI

from voiceserver.engine.messages import Respond


async def test_the_openai_client_holds_a_live_session(gateway: Gateway) -> None:
    client = AsyncOpenAI(base_url=f"{gateway.http}/v1", api_key="none")
    sound = np.concatenate([silence(0.3), tone(0.8), silence(0.8)]).astype("<i2").tobytes()
    heard, said, audio_s = "", "", 0.0
    async with client.live.connect() as connection:
        await connection.session.start(
            session={
                "model": "gpt-live-1",
                "instructions": "Be brief.",
                "audio": {"format": {"type": "audio/pcm", "rate": 24000}},
            }
        )
        async for event in connection:
            match event.type:
                case "session.started":
                    assert event.session.status == "active"
                    assert event.session.instructions == "Be brief."
                    assert event.session.audio.output.voice == "nano"
                    audio = base64.b64encode(sound).decode()
                    await connection.session.input_audio.append(audio=audio)
                case "session.input_transcript.delta":
                    heard += event.delta
                case "session.output_transcript.delta":
                    said += event.delta
                    if said.endswith("."):
                        await connection.session.close(event_id="bye")
                case "session.output_audio.delta":
                    audio_s += len(base64.b64decode(event.delta)) / 48_000
                case "session.closed":
                    assert event.reason == "close_requested"
                    assert event.client_event_id == "bye"
                    assert audio_s <= event.usage.seconds + 0.081  # never ahead of the clock
                case _:
                    raise AssertionError(event)
    await client.close()
    assert (heard, said) == ("turn 1", "I heard turn 1.")


async def test_sound_comes_in_real_time_silence_included(gateway: Gateway) -> None:
    async with live_call(gateway) as caller:
        await caller.speak()
        while len(loud := np.flatnonzero(caller.sound())) < 4 * 0.4 * 24_000:
            await caller.next()  # four words, all of them
        sounded_s = len(caller.sound()) / 24_000
        await caller.send("session.close")
        usage = (await caller.until("session.closed"))["usage"]
        assert sounded_s <= usage["seconds"] + 0.081
        assert not caller.sound()[: loud[0]].any()


async def test_transcripts_tell_when_it_was_said(gateway: Gateway) -> None:
    async with live_call(gateway) as caller:
        await caller.say(silence(1.0), tone(0.8), silence(0.8))
        heard = await caller.until(HEARD)
        assert heard["delta"] == "turn 1"
        assert 600 <= heard["start_ms"] <= 1000  # with some of what was before
        assert 1750 <= heard["end_ms"] <= 2700
        assert await caller.transcript(4) == "I heard turn 1."
        await caller.listen(0.5)
        fragments = [e for e in caller.events if e["type"] == SAID]
        starts = [e["start_ms"] for e in fragments]
        assert starts == sorted(starts)
        assert all(e["start_ms"] <= e["end_ms"] for e in fragments)
        first_sample = np.flatnonzero(caller.sound())[0]
        assert fragments[0]["start_ms"] == pytest.approx(first_sample / 24, abs=2)
        assert starts[1] - starts[0] == pytest.approx(400, abs=120)  # to a frame
        await caller.speak()
        assert (await caller.until(HEARD))["delta"] == " turn 2"  # fragments are strung together
        assert await caller.transcript(4) == " I heard turn 2."


async def test_an_interruption_is_heard_as_silence_and_what_was_heard_is_remembered(
    gateway: Gateway,
) -> None:
    async with live_call(gateway, input=[said("user", "long")]) as caller:
        await caller.send("session.commentary.append", content="something long", delegation_id=None)
        await caller.transcript(3)
        await caller.say(tone(0.5))
        begun = len(caller.events)
        await caller.listen(0.08)
        while caller.sound(begun)[-1920:].any():  # until a whole delta is silent
            await caller.listen(0.08)
        await caller.say(silence(1.0))
        await caller.until(HEARD)
        words = "".join(e["delta"] for e in caller.events if e["type"] == SAID).split()
        session_id = caller.events[0]["session"]["id"]
        while len(asked := gateway.told(session_id, Respond)) < 2:
            await caller.next()
        remembered = [m for m in asked[-1].dialogue if m.role == "assistant"][-1].text.split()
        assert 1 <= len(remembered) < 20
        assert remembered == words[: len(remembered)]
        assert len(words) - len(remembered) <= 1  # a word of which not even half was heard


async def test_a_client_that_sends_nothing_more_is_silent(gateway: Gateway) -> None:
    async with live_call(gateway) as caller:
        await caller.say(tone(0.8))
        assert await caller.transcript(4) == "I heard turn 1."


async def test_muted_sound_is_not_heard(gateway: Gateway) -> None:
    async with live_call(gateway) as caller:
        await caller.send("session.input_audio.mute", event_id="m")
        assert (await caller.until("session.input_audio.muted"))["client_event_id"] == "m"
        await caller.speak()
        await caller.send("session.input_audio.unmute", event_id="u")
        await caller.until("session.input_audio.unmuted", client_event_id="u")
        await caller.speak()
        assert await caller.transcript(4) == "I heard turn 1."
        assert caller.kinds().count(HEARD) == 1


async def test_history_and_appended_context_are_read(gateway: Gateway) -> None:
    history = [said("developer", "Be polite."), said("user", "hi"), said("assistant", "Hello.")]
    async with live_call(gateway, input=history, instructions="Be brief.") as caller:
        for kind in ("instructions", "thinking"):
            content = f"{kind} for you"
            fields = {"content": content, "delegation_id": None, "event_id": kind}
            await caller.send(f"session.{kind}.append", **fields)
            appended = await caller.until(f"session.{kind}.appended", client_event_id=kind)
            assert appended["start_ms"] == appended["end_ms"]
        await caller.listen(0.5)
        session_id = caller.events[0]["session"]["id"]
        assert not gateway.told(session_id, Respond)  # nobody asked to be told
        await caller.send("session.commentary.append", content="news", delegation_id=None)
        await caller.until("session.commentary.appended")
        await caller.transcript(4)
        (respond,) = gateway.told(session_id, Respond)
        read = [(m.role, m.text) for m in respond.dialogue]
        assert read[:4] == [
            ("system", "Be brief.\n\ninstructions for you"),
            ("system", "Be polite."),
            ("user", "hi"),
            ("assistant", "Hello."),
        ]
        assert [(role, text.split(": ")[1]) for role, text in read[4:]] == [
            ("user", "thinking for you"),
            ("user", "news"),
        ]


async def test_commentary_waits_until_nobody_speaks(gateway: Gateway) -> None:
    async with live_call(gateway) as caller:
        await caller.speak()
        await caller.transcript(1)
        await caller.send("session.commentary.append", content="news", delegation_id=None)
        said_so_far = await caller.transcript(6)
        session_id = caller.events[0]["session"]["id"]
        first, second = gateway.told(session_id, Respond)
        assert second.epoch == first.epoch  # the first was not cut short
        assert "news" in second.dialogue[-1].text
        assert said_so_far.lstrip().startswith("heard turn 1.")


@pytest.mark.parametrize(
    ("audio_format", "rate_hz", "sample_bytes"),
    [
        ({"type": "audio/pcm", "rate": 16000}, 16_000, 2),
        ({"type": "audio/pcmu", "rate": 8000}, 8_000, 1),
        ({"type": "audio/pcma", "rate": 8000}, 8_000, 1),
    ],
)
async def test_formats(
    gateway: Gateway, audio_format: dict[str, object], rate_hz: int, sample_bytes: int
) -> None:
    from voiceserver.gateway.live.session_config import Format

    coding = Format.model_validate(audio_format).coding
    async with live_call(gateway, audio={"format": audio_format}) as caller:
        assert caller.events[0]["session"]["audio"]["format"] == audio_format
        step = 24_000 // rate_hz
        data = coding.to_bytes(np.concatenate([tone(0.8), silence(0.9)])[::step])
        audio = base64.b64encode(data).decode()
        await caller.send("session.input_audio.append", audio=audio)
        assert await caller.transcript(4) == "I heard turn 1."
        deltas = [base64.b64decode(e["delta"]) for e in caller.events if e["type"] == AUDIO]
        assert {len(delta) for delta in deltas} == {int(0.08 * rate_hz) * sample_bytes}
        loud = np.abs(coding.to_samples(b"".join(deltas)).astype(int)) > 100
        assert loud.sum() / rate_hz > 0.8


async def test_a_fixture_is_played_whole_over_everybody(gateway: Gateway) -> None:
    async with live_call(gateway) as caller:
        await caller.send("session.commentary.append", content="long", delegation_id=None)
        await caller.transcript(2)
        recording = np.full(24_000, 55, np.int16)
        audio = base64.b64encode(recording.tobytes()).decode()
        await caller.send("session.output_audio.fixture.play", audio=audio, event_id="f")
        await caller.until("session.output_audio.fixture.playing", client_event_id="f")
        begun = len(caller.events)
        await caller.speak()
        await caller.send("session.thinking.append", content="x", delegation_id=None, event_id="t")
        while (event := await caller.next())["type"] != "error":
            pass
        assert event["error"]["code"] == "fixture_active"
        assert event["error"]["client_event_id"] == event["client_event_id"] == "t"
        await caller.until("session.output_audio.fixture.played")
        assert np.count_nonzero(caller.sound(begun) == 55) == 24_000
        await caller.listen(1.0)
        assert HEARD not in caller.kinds()  # nobody was listening meanwhile
        await caller.speak()
        await caller.until(HEARD)


def said(role: str, text: str) -> dict[str, object]:
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}
