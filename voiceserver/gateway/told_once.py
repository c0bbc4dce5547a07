"""What a client is told once: more would only echo its own flood, or its own slowness."""

from __future__ import annotations

from collections.abc import Callable

from voiceserver.errors import ClientError
from voiceserver.metrics import Metrics

FLOOD = "input_audio_buffer_overflow"


class Inflow:
    """The user's audio on its way to a session, which refuses more than it can keep."""

    def __init__(self, pass_on: Callable[[bytes, float], None]) -> None:
        self._pass_on = pass_on  # int16 at the listening rate, and the present time
        self._overflowing = False

    def take(self, pcm16: bytes, now_s: float) -> bool:
        """Whether it was taken; raises ClientError for the first that is not."""
        try:
            self._pass_on(pcm16, now_s)
        except ClientError as error:
            if error.code == FLOOD and self._overflowing:
                return False
            self._overflowing |= error.code == FLOOD
            raise
        self._overflowing = False
        return True


class Unread:
    """Sound that a client does not take as fast as it is spoken, the oldest of it dropped."""

    CODE = "output_audio_dropped"
    MESSAGE = "Audio is not being read as fast as it is spoken; the oldest is dropped."

    def __init__(self, metrics: Metrics, tell: Callable[[], None]) -> None:
        self._metrics = metrics
        self._tell = tell
        self._told = False

    def dropped(self, pieces: int) -> None:
        """So many pieces were dropped, if any."""
        if not pieces:
            return
        self._metrics.audio_dropped.inc(pieces)
        if not self._told:
            self._told = True
            self._tell()
