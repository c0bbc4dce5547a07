"""A spoken turn over WebRTC with the real server and its real weights."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from rtc_caller import RATE_HZ, rtc_call

from voiceserver.cli.own_server import RunningServer
from voiceserver.scenes.kokoro import RATE_HZ as SPEECH_RATE_HZ
from voiceserver.scenes.kokoro import VOICES, speak

QUESTION = "What is the capital of France?"


@pytest.mark.e2e
async def test_a_spoken_question_is_understood_and_answered_aloud(
    live_server: RunningServer,
) -> None:
    # VOICES[0] says a "France" that the small recogniser takes for "friends", now and then.
    speech = soxr.resample(speak(QUESTION, VOICES[1]), SPEECH_RATE_HZ, RATE_HZ)
    async with rtc_call(live_server.page.rstrip("/"), "&timing=1") as caller:
        transcription = {"model": "whisper-1"}
        audio = {"input": {"transcription": transcription}}
        caller.send("session.update", session={"type": "realtime", "audio": audio})
        await caller.until("session.updated")
        caller.microphone.say((speech * 32767).astype(np.int16))
        completed = "conversation.item.input_audio_transcription.completed"
        asked = (await caller.until(completed))["transcript"].lower()
        assert "capital" in asked, asked
        assert "france" in asked, asked
        done = (await caller.until("response.done"))["response"]
        assert done["status"] == "completed"
        said = done["output"][0]["content"][0]["transcript"]
        assert "paris" in said.lower(), said
        await caller.until("output_audio_buffer.stopped")
        await caller.until_quiet(0.5)
        assert caller.loud_s() > 0.15 * len(said.split())  # nobody speaks faster
