"""Microphone and loudspeaker of this computer, through PortAudio, at the wire's rate."""

from __future__ import annotations

import asyncio
import threading
from types import ModuleType, TracebackType
from typing import Any

from voiceserver.clock import WIRE_RATE_HZ
from voiceserver.errors import VoiceserverError

BLOCK_SAMPLES = WIRE_RATE_HZ // 50  # 20 ms
SAMPLE_BYTES = 2


def _portaudio() -> ModuleType:
    try:
        import sounddevice
    except (ImportError, OSError) as error:
        raise VoiceserverError(
            "no sound: PortAudio is missing (on Debian: apt install libportaudio2)"
        ) from error
    module: ModuleType = sounddevice
    return module


class SoundCard:
    """Opens both directions on entry. The callbacks run on PortAudio's threads."""

    def __init__(self) -> None:
        self._portaudio = _portaudio()
        self._lock = threading.Lock()
        self._waiting = bytearray()  # to be played
        self._played_bytes = 0  # of the reply under way
        self._recorded: asyncio.Queue[bytes] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._streams: list[Any] = []

    def __enter__(self) -> SoundCard:
        kind = {
            "samplerate": WIRE_RATE_HZ,
            "channels": 1,
            "dtype": "int16",
            "blocksize": BLOCK_SAMPLES,
        }
        try:
            self._streams = [
                self._portaudio.RawInputStream(callback=self._on_recorded, **kind),
                self._portaudio.RawOutputStream(callback=self._on_played, **kind),
            ]
            for stream in self._streams:
                stream.start()
        except self._portaudio.PortAudioError as error:
            self._close()
            raise VoiceserverError(f"no microphone or no loudspeaker: {error}") from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    async def recorded(self) -> bytes:
        """The next block from the microphone."""
        if self._recorded is None:
            self._loop, self._recorded = asyncio.get_running_loop(), asyncio.Queue()
        return await self._recorded.get()

    def begin(self) -> None:
        """A new reply: count what is played from here."""
        with self._lock:
            self._played_bytes = -len(self._waiting)  # the end of the last one comes first

    def play(self, pcm16: bytes) -> None:
        with self._lock:
            self._waiting += pcm16

    def flush(self) -> int | None:
        """Stop at once. Milliseconds of the reply that were played; None if all of it was."""
        with self._lock:
            cut = bool(self._waiting)
            self._waiting.clear()
            played_ms = max(0, self._played_bytes) * 1000 // (WIRE_RATE_HZ * SAMPLE_BYTES)
            return played_ms if cut else None

    def _on_recorded(self, data: Any, frames: int, time: Any, status: Any) -> None:
        if self._loop is not None and self._recorded is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._recorded.put_nowait, bytes(data))

    def _on_played(self, data: Any, frames: int, time: Any, status: Any) -> None:
        with self._lock:
            piece = bytes(self._waiting[: len(data)])
            del self._waiting[: len(piece)]
            self._played_bytes += len(piece)
        data[:] = piece.ljust(len(data), b"\0")

    def _close(self) -> None:
        for stream in self._streams:
            stream.close()
        self._streams = []
