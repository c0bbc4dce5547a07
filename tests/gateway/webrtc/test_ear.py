"""The user's packets and frames on their way to the session."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from aiortc import RTCPeerConnection
from aiortc.rtp import RtpPacket
from av import AudioFrame

from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.gateway.webrtc.ear import MOST_MISSING_S, Ear, InOrder, hear_at_once


def frame(samples: np.ndarray, pts: int, rate_hz: int = 48_000) -> AudioFrame:
    """`samples` [S, C] of int16."""
    layout = "mono" if samples.shape[1] == 1 else "stereo"
    made = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout=layout)
    made.sample_rate, made.pts, made.time_base = rate_hz, pts, Fraction(1, rate_hz)
    return made


def heard(frames: list[AudioFrame]) -> np.ndarray:
    ear = Ear()
    return np.frombuffer(b"".join(ear.hear(f) for f in frames), np.int16)


def test_a_packet_is_passed_on_as_it_comes_and_a_late_one_left_out() -> None:
    order = InOrder()
    passed = []
    for number in (65534, 65535, 0, 1, 1, 5, 3, 6):
        packet = RtpPacket(payload=bytes([number % 256]), sequence_number=number)
        _, now = order.add(packet)
        passed.append(now and now.data[0])
    assert passed == [254, 255, 0, 1, None, 5, None, 6]


async def test_this_aiortc_takes_our_order() -> None:
    pc = RTCPeerConnection()
    receiver = pc.addTransceiver("audio").receiver
    hear_at_once(receiver)
    assert isinstance(receiver._RTCRtpReceiver__jitter_buffer, InOrder)
    await pc.close()


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate_hz", [48_000, 8_000])
def test_it_is_mono_at_the_listening_rate(channels: int, rate_hz: int) -> None:
    size = rate_hz // 50
    t = np.arange(50 * size) / rate_hz
    wave = (8000 * np.sin(2 * np.pi * 300 * t)).astype(np.int16)
    both = np.repeat(wave[:, None], channels, axis=1)
    frames = [frame(both[at : at + size], at, rate_hz) for at in range(0, len(both), size)]
    got = heard(frames)
    assert 0 <= LISTEN_RATE_HZ - len(got) <= 0.07 * LISTEN_RATE_HZ  # the filter keeps some back
    middle = got[4000:12000].astype(float)
    assert abs(np.sqrt(np.mean(middle**2)) - 8000 / np.sqrt(2)) < 60
    assert np.argmax(np.abs(np.fft.rfft(middle))) == 150  # 300 Hz in half a second


def test_what_was_lost_is_silence_but_a_pause_is_not_made_up_for() -> None:
    loud = np.full((960, 1), 5000, np.int16)
    whole = heard([frame(loud, 960 * i) for i in range(20)])
    gapped = heard([frame(loud, 960 * i) for i in range(20) if i not in (7, 8)])
    assert len(gapped) == len(whole)
    assert not gapped[2400:2800].any()  # 150 to 175 ms: within frames 7 and 8
    paused = heard([frame(loud, 0), frame(loud, 48_000 * 60)])
    assert abs(len(paused) - (MOST_MISSING_S + 0.04) * LISTEN_RATE_HZ) < 500


def test_silence_given_for_a_pause_is_not_given_again() -> None:
    loud = np.full((960, 1), 5000, np.int16)
    ear = Ear()
    got = ear.hear(frame(loud, 0)) + ear.pause(0.5) + ear.hear(frame(loud, 960 + 30_000))
    whole = heard([frame(loud, 0), frame(loud, 960 + 30_000)])  # 0.625 s are missing
    assert len(got) == whole.nbytes
    again = ear.hear(frame(loud, 2 * 960 + 30_000 + 4800))  # 0.1 s
    assert abs(len(again) / 2 / LISTEN_RATE_HZ - 0.12) < 0.01
