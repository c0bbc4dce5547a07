"""The sound of conversation items, kept for conversation.item.retrieve; the oldest goes first.

User audio is kept at the listening rate, the assistant's as it was sent.
"""

from __future__ import annotations

from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.gateway.wire_audio import AudioFormat, OutputAudio

MOST_BYTES = 8 * 2**20  # about four minutes
# Of one item, as it is sent: openai-agents-python asks for whatever item it speaks, and ends the
# call over a frame of more than 8 MiB, which this is in base64.
MOST_ITEM_BYTES = 6 * 2**20 - 2**14
_SAMPLE_BYTES = 2


class AudioShelf:
    """One session's sound, by item."""

    def __init__(self, tape_s: float) -> None:
        self._tape = bytearray()  # the newest user audio, at the listening rate
        self._tape_bytes = int(tape_s * LISTEN_RATE_HZ) * _SAMPLE_BYTES
        self._tape_end = 0  # in bytes of the audio clock
        self._heard: dict[str, bytes] = {}
        self._spoken: dict[str, tuple[AudioFormat, bytearray]] = {}
        self._bytes = 0

    def hear(self, pcm16: bytes) -> None:
        """More of the user's audio."""
        self._tape += pcm16
        self._tape_end += len(pcm16)
        if len(self._tape) > 2 * self._tape_bytes:  # rarely, so that it costs little
            del self._tape[: -self._tape_bytes]

    def commit(self, item_id: str, start_sample: int, end_sample: int) -> None:
        """This stretch of the tape belongs to an item."""
        begin = self._tape_end - len(self._tape)
        start = max(0, start_sample * _SAMPLE_BYTES - begin)
        end = max(start, end_sample * _SAMPLE_BYTES - begin)
        self.keep(item_id, bytes(self._tape[start:end]))

    def keep(self, item_id: str, pcm16: bytes) -> None:
        """Keep a user's item whole."""
        self._heard[item_id] = pcm16
        self._count(len(pcm16))

    def speak(self, item_id: str, audio_format: AudioFormat, data: bytes) -> None:
        """More of an assistant's item has been sent."""
        self._spoken.setdefault(item_id, (audio_format, bytearray()))[1].extend(data)
        self._count(len(data))

    def truncate(self, item_id: str, end_ms: int) -> None:
        """Only this much of an assistant's item was heard."""
        if item_id in self._spoken:
            audio_format, data = self._spoken[item_id]
            width = _SAMPLE_BYTES if audio_format is AudioFormat.PCM else 1
            end = end_ms * audio_format.rate_hz // 1000 * width
            self._bytes -= max(0, len(data) - end)
            del data[end:]

    def audio(self, item_id: str, audio_format: AudioFormat) -> bytes | None:
        """An item's sound in wire bytes of this format; None if it is not kept, or too long."""
        sound = self._sound(item_id, audio_format)
        return sound if sound is not None and len(sound) <= MOST_ITEM_BYTES else None

    def _sound(self, item_id: str, audio_format: AudioFormat) -> bytes | None:
        if item_id in self._heard:
            converter = OutputAudio(audio_format, LISTEN_RATE_HZ)
            return converter.encode(self._heard[item_id]) + converter.flush()
        if item_id not in self._spoken:
            return None
        kept_format, data = self._spoken[item_id]
        if kept_format is audio_format:
            return bytes(data)
        converter = OutputAudio(audio_format, kept_format.rate_hz)
        samples = kept_format.to_samples(bytes(data))
        return converter.encode(samples.tobytes()) + converter.flush()

    def _count(self, added_bytes: int) -> None:
        self._bytes += added_bytes
        while self._bytes > MOST_BYTES and len(self._heard) + len(self._spoken) > 1:
            self._forget_oldest()

    def _forget_oldest(self) -> None:
        """Of the two kinds, the one with more items loses its first."""
        if len(self._heard) >= len(self._spoken):
            self._bytes -= len(self._heard.pop(next(iter(self._heard))))
        else:
            self._bytes -= len(self._spoken.pop(next(iter(self._spoken)))[1])
