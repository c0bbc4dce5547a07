from __future__ import annotations

import asyncio

import numpy as np

from voiceserver.audio.pcm16 import from_pcm16
from voiceserver.bench.interruption import cough
from voiceserver.bench.microphone import PACKET_SAMPLES, Microphone


class _Recorder:
    """Takes a call's place for the one method a microphone needs."""

    def __init__(self) -> None:
        self.heard: list[np.ndarray] = []

    async def send_audio(self, pcm16: bytes) -> None:
        self.heard.append(from_pcm16(pcm16))


async def test_sounds_are_sent_once_in_order_with_silence_around() -> None:
    recorder = _Recorder()
    sound = np.linspace(0.1, 0.9, 3 * PACKET_SAMPLES, dtype=np.float32)
    async with Microphone(recorder) as microphone:  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        microphone.hear(sound)
        microphone.hear(sound, delay_s=0.12)
        await asyncio.sleep(0.4)
    sent = np.concatenate(recorder.heard)
    loud = np.flatnonzero(np.abs(sent) > 0.05)
    first = loud[0]
    second = loud[np.flatnonzero(np.diff(loud) > PACKET_SAMPLES) + 1][0]
    assert first > 0
    np.testing.assert_allclose(sent[first : first + len(sound)], sound, atol=1e-3)
    np.testing.assert_allclose(sent[second : second + len(sound)], sound, atol=1e-3)
    assert abs(second - first - 0.12 * 24000) < 240
    assert not sent[loud[-1] + 1 :].any()


def test_a_cough_is_short_and_not_silent() -> None:
    sound = cough()
    assert 0.3 < len(sound) / 24000 < 1.0
    assert 0.4 < np.abs(sound).max() <= 0.5
