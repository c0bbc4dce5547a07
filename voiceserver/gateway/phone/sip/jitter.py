"""Puts the caller's packets in order and fills what is missing with silence.

Nothing is held back while packets come in order: we do not play, we listen. A packet that is early
waits for those before it, but not for long.
"""

from __future__ import annotations

from voiceserver.gateway.phone.sip.rtp import Packet

RATE_HZ = 8_000
MOST_WAITING = 4  # packets: 80 ms as they are usually cut
QUIET_S = 0.1  # without a packet: the caller sends nothing while silent, or all is lost
_FAR_SAMPLES = 2 * RATE_HZ  # a jump further than this is a new beginning


class Reorder:
    """One stream of G.711, by its timestamps. `silence` is the byte that sounds like nothing."""

    def __init__(self, silence: bytes) -> None:
        self._silence = silence
        self._source: int | None = None
        self._next = 0  # the timestamp that continues what has been given out
        self._sequence = 0  # of the newest packet, of any kind
        self._waiting: dict[int, bytes] = {}  # by timestamp
        self._quiet_until_s: float | None = None  # silence has been given out up to here
        self._came_s = 0.0  # when the newest packet came

    def other(self, packet: Packet) -> None:
        """A packet of the same stream that is no sound."""
        self._follows(packet)

    def packet(self, packet: Packet, now_s: float) -> bytes:
        """What can be heard now that this packet has come."""
        ahead = _distance(self._next, packet.timestamp)
        follows = self._follows(packet)
        begins = packet.source != self._source or abs(ahead) > _FAR_SAMPLES
        guessed = self._quiet_until_s is not None  # how long the pause before it was
        self._came_s, self._quiet_until_s, self._source = now_s, None, packet.source
        if begins or guessed:
            before = self._waited(patient=False)
            self._next, self._sequence = packet.timestamp, packet.sequence
            return before + self._take(packet.timestamp, packet.payload)
        if ahead < 0:  # a copy, or too late
            return b""
        if follows and not self._waiting:
            return self._take(packet.timestamp, packet.payload)
        self._waiting[packet.timestamp] = packet.payload
        return self._waited(patient=len(self._waiting) <= MOST_WAITING)

    def quiet(self, now_s: float) -> bytes:
        """What is to be heard although nothing comes."""
        if self._source is None or now_s - self._came_s < QUIET_S:
            return b""
        since_s = self._came_s if self._quiet_until_s is None else self._quiet_until_s
        self._quiet_until_s = now_s
        sound = self._waited(patient=False)
        return sound + self._silence * (round((now_s - since_s) * RATE_HZ) - len(sound))

    def _follows(self, packet: Packet) -> bool:
        """Whether no packet is missing before this one."""
        step = (packet.sequence - self._sequence) % 2**16
        if step < 2**15:
            self._sequence = packet.sequence
        return step == 1

    def _waited(self, *, patient: bool) -> bytes:
        """Of what waits: what continues the sound, or all of it."""
        sound = b""
        for timestamp in sorted(self._waiting, key=lambda at: _distance(self._next, at)):
            ahead = _distance(self._next, timestamp)
            if ahead > 0 and patient:
                break
            payload = self._waiting.pop(timestamp)
            if ahead >= 0:
                sound += self._take(timestamp, payload)
        return sound

    def _take(self, timestamp: int, payload: bytes) -> bytes:
        """This sound, after silence for what is missing before it."""
        missing = _distance(self._next, timestamp)
        self._next = (timestamp + len(payload)) % 2**32
        return self._silence * missing + payload


def _distance(a: int, b: int) -> int:
    """From one timestamp to another, over the wrap."""
    return (b - a + 2**31) % 2**32 - 2**31
