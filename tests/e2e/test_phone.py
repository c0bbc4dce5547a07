"""A telephone call to the real server: 8 kHz mu-law both ways, understood on both sides."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
import soxr

sys.path.insert(0, str(Path(__file__).parents[1] / "gateway" / "phone"))  # the network is the same

from twilio_network import calling

from voiceserver.audio import g711
from voiceserver.bench.judge import transcribe
from voiceserver.cli.own_server import RunningServer
from voiceserver.scenes.kokoro import RATE_HZ, VOICES, speak

pytestmark = pytest.mark.e2e


async def test_a_question_by_telephone_is_answered(live_server: RunningServer) -> None:
    question = np.asarray(speak("What is the capital of France?", VOICES[0]))
    narrow = soxr.resample(question, RATE_HZ, 8000)
    port = urlsplit(live_server.url).port
    assert port is not None
    async with calling(port) as call:
        call.says += g711.pcm16_to_ulaw((narrow * 32767).astype(np.int16))
        await call.until(lambda c: c.sounds() > 0)
        await call.quiet(1.0)
        await call.hang_up()
    heard = g711.ulaw_to_pcm16(bytes(call.heard)).astype(np.float32) / 32768
    assert "paris" in transcribe(heard, 8000).lower()
