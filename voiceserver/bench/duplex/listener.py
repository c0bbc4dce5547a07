"""A simulated loudspeaker: plays what comes as stock clients do, and remembers what was heard when.

Sound is played in order at the moment it comes, or after what is still being played. What waits to
be played is thrown away when the server says that the user began to speak, or that the reply was
cancelled; the server is then told how much was heard.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voiceserver.audio.pcm16 import from_pcm16
from voiceserver.bench.duplex.recording import Heard
from voiceserver.clock import WIRE_RATE_HZ
from voiceserver_client import (
    AudioDelta,
    Event,
    Failure,
    ResponseCreated,
    ResponseDone,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
)

Samples = NDArray[np.float32]
BUFFER_S = 0.02  # of the sound card: a packet
LONGEST_S = 60.0


@dataclass(frozen=True)
class Truncation:
    """How much of an item was heard before the rest was thrown away."""

    item_id: str
    played_ms: int


class Listener:
    """Times are seconds since `start_s` of the monotonic clock."""

    def __init__(self, start_s: float) -> None:
        self.start_s = start_s
        self.tape = np.zeros(int(LONGEST_S * WIRE_RATE_HZ), np.float32)  # heard, or about to be
        self.replies: dict[str, Heard] = {}
        self.notices: list[tuple[float, str]] = []
        self._items: dict[str, str] = {}  # response -> item
        self._free_s = 0.0  # until then the loudspeaker is busy

    def take(self, event: Event) -> Iterator[Truncation]:
        """Play, or fall silent."""
        now_s = event.received_s - self.start_s
        match event:
            case ResponseCreated():
                self._reply(event.response_id)
                self.notices.append((now_s, "reply begins"))
            case AudioDelta():
                self._items[event.response_id] = event.item_id
                self._play(self._reply(event.response_id), from_pcm16(event.pcm16), now_s)
            case TextDelta():
                self._read(self._reply(event.response_id), event.delta)
            case ResponseDone():
                reply = self._reply(event.response_id)
                reply.done_s, reply.status = now_s, event.status
                self.notices.append((now_s, f"reply {event.status}"))
                if event.status == "cancelled":
                    yield from self._flush(now_s)
            case SpeechStarted():
                self.notices.append((now_s, "speech started"))
                yield from self._flush(now_s)
            case SpeechStopped():
                self.notices.append((now_s, "speech stopped"))
            case Failure():
                self.notices.append((now_s, f"error: {event.message}"))

    def heard_before(self, position: int, samples: int) -> Samples:
        """The last `samples` played before a position; silence before the start. [samples]"""
        first = max(0, position - samples)
        heard = self.tape[first : max(0, position)]
        return np.pad(heard, (samples - len(heard), 0))

    def speaking_since_s(self) -> float | None:
        """When the first sound of all was played."""
        begins = [reply.pieces[0][0] for reply in self.replies.values() if reply.pieces]
        return min(begins, default=None)

    def _reply(self, response_id: str) -> Heard:
        return self.replies.setdefault(response_id, Heard(response_id))

    def _read(self, reply: Heard, delta: str) -> None:
        """Words may come in pieces."""
        parts = delta.split()
        if parts and reply.words and not delta[0].isspace():
            word, at_s = reply.words[-1]
            reply.words[-1] = (word + parts.pop(0), at_s)
        reply.words += [(word, reply.received_s) for word in parts]

    def _play(self, reply: Heard, sound: Samples, now_s: float) -> None:
        begin_s = max(now_s + BUFFER_S, self._free_s)
        if len(sound) == 0 or begin_s + len(sound) / WIRE_RATE_HZ > LONGEST_S:
            return
        begin = round(begin_s * WIRE_RATE_HZ)
        self.tape[begin : begin + len(sound)] = sound
        self._free_s = begin_s + len(sound) / WIRE_RATE_HZ
        reply.received_s += len(sound) / WIRE_RATE_HZ
        if reply.pieces and begin_s - reply.pieces[-1][1] < 1e-9:
            reply.pieces[-1] = (reply.pieces[-1][0], self._free_s)
        else:
            reply.pieces.append((begin_s, self._free_s))

    def _flush(self, now_s: float) -> Iterator[Truncation]:
        """Throw away what was not yet played."""
        if now_s >= self._free_s:
            return
        self.tape[round(now_s * WIRE_RATE_HZ) :] = 0.0
        self._free_s = now_s
        for reply in self.replies.values():
            if not reply.pieces or reply.pieces[-1][1] <= now_s:
                continue
            kept = [(begin, min(end, now_s)) for begin, end in reply.pieces if begin < now_s]
            reply.pieces[:], reply.flushed_s = kept, now_s
            item_id = self._items[reply.response_id]
            yield Truncation(item_id, round(1000 * reply.played_s))
