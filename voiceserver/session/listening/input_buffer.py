"""The user's audio that belongs to no turn yet, which a client may commit or clear by hand."""

from __future__ import annotations

from dataclasses import dataclass

from voiceserver.engine.messages import SpeechActivity
from voiceserver.errors import ClientError
from voiceserver.session.timing import to_ms, to_samples

SMALLEST_COMMIT_MS = 100
_FAINT_VOICE = 0.3  # VAD probability below which nobody spoke at all
_PADDING_SAMPLES = to_samples(300)


@dataclass(frozen=True)
class Committed:
    """What a client takes for a turn: samples of the session's audio clock."""

    start_sample: int
    end_sample: int
    spoken: bool  # somebody may have said something


class InputBuffer:
    """Where it begins, and where there is voice in it."""

    def __init__(self) -> None:
        self.restart(0)

    def restart(self, sample: int) -> None:
        """Audio before belongs to earlier turns."""
        self.start_sample = sample
        self._voice_span: tuple[int, int] | None = None

    def hear(self, window: SpeechActivity) -> None:
        if window.probability >= _FAINT_VOICE and window.end_sample > self.start_sample:
            first = self._voice_span[0] if self._voice_span else window.end_sample
            self._voice_span = (first, window.end_sample)

    def committed(self, now_sample: int, listened_to_sample: int) -> Committed:
        """The buffer up to now, without silence before and after the voice.

        The newest window heard ended at `listened_to_sample`. Raises ClientError if the buffer is
        too short.
        """
        length_ms = to_ms(now_sample - self.start_sample)
        if length_ms < SMALLEST_COMMIT_MS:
            raise ClientError(
                f"Error committing input audio buffer: buffer too small. Expected at least "
                f"{SMALLEST_COMMIT_MS}ms of audio, but buffer only has {length_ms}ms of audio.",
                code="input_audio_buffer_commit_empty",
            )
        all_listened_to = now_sample - listened_to_sample < _PADDING_SAMPLES
        if self._voice_span is None:
            return Committed(self.start_sample, now_sample, spoken=not all_listened_to)
        start = max(self.start_sample, self._voice_span[0] - _PADDING_SAMPLES)
        end = min(now_sample, self._voice_span[1] + _PADDING_SAMPLES)
        return Committed(start, end if all_listened_to else now_sample, spoken=True)
