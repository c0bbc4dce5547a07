"""A call from baresip to the real server: a spoken question, and the answer as it was recorded."""

from __future__ import annotations

import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import soxr

sys.path.insert(0, str(Path(__file__).parents[1] / "gateway" / "phone" / "sip"))  # the phones

from real_phones import baresip, needs, own_address

from voiceserver.bench.judge import transcribe
from voiceserver.cli.own_server import server_at
from voiceserver.scenes.kokoro import RATE_HZ, VOICES, speak

pytestmark = pytest.mark.e2e


@needs("baresip")
def test_a_question_from_baresip_is_answered(tmp_path: Path) -> None:
    host = own_address()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind((host, 0))
        address = f"{host}:{probe.getsockname()[1]}"
    question = np.asarray(speak("What is the capital of France?", VOICES[0]))
    narrow = (soxr.resample(question, RATE_HZ, 8000) * 32767).astype(np.int16)
    with (
        server_at(None, 1, ["--sip", address]),
        baresip(tmp_path, host, f"sip:bot@{address}", narrow, 12.0, "PCMU") as phone,
    ):
        phone.until("terminated (duration")
    heard = phone.heard()
    frames = heard[: len(heard) // 160 * 160].reshape(-1, 160)
    # On a busy machine the engine may fall behind; the holes that this leaves are not the phone's.
    spoken = frames[np.ptp(frames, axis=1) > 0].ravel()
    assert len(spoken) > 8000
    assert "paris" in transcribe(spoken.astype(np.float32) / 32768, 8000).lower()
