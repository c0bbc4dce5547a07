"""The assistant's voice as a track: a frame every 20 ms, silence included, never ahead of time."""

from __future__ import annotations

import asyncio
from fractions import Fraction

from aiortc.mediastreams import MediaStreamTrack
from av import AudioFrame

from voiceserver.clock import exact_div
from voiceserver.gateway.webrtc.play_queue import PlayQueue

OPUS_RATE_HZ = 48_000
FRAME_S = 0.02
FRAME_SAMPLES = exact_div(OPUS_RATE_HZ, 50)  # 960
_CATCH_UP_S = 0.1  # how much of a delay of ours is made up for by faster frames


class VoiceTrack(MediaStreamTrack):
    """Paced by the event loop's clock; aiortc asks for a frame, encodes and sends it."""

    kind = "audio"

    def __init__(self, queue: PlayQueue) -> None:
        super().__init__()
        self._queue = queue
        self._due_s: float | None = None
        self._sent_samples = 0

    async def recv(self) -> AudioFrame:
        """The next frame, when it is due."""
        now_s = asyncio.get_running_loop().time()
        due_s = now_s if self._due_s is None else max(self._due_s + FRAME_S, now_s - _CATCH_UP_S)
        self._due_s = due_s
        await asyncio.sleep(due_s - now_s)
        samples = self._queue.take(FRAME_SAMPLES)
        frame = AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.sample_rate = OPUS_RATE_HZ
        frame.pts = self._sent_samples
        frame.time_base = Fraction(1, OPUS_RATE_HZ)
        self._sent_samples += FRAME_SAMPLES
        return frame
