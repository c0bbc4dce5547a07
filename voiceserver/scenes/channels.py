"""What lies between a mouth and our ears: room, distance, level, telephone, noise floor, echo.

Sound is [S] at LISTEN_RATE_HZ. Nothing here moves an event: the direct sound arrives at once, and
filters have no delay.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import soxr
from numpy.typing import NDArray

from voiceserver.audio.g711 import alaw_to_pcm16, pcm16_to_alaw, pcm16_to_ulaw, ulaw_to_pcm16
from voiceserver.clock import LISTEN_RATE_HZ, TELEPHONE_RATE_HZ
from voiceserver.scenes.noises import bed, bed_kinds
from voiceserver.scenes.texts import Part

Samples = NDArray[np.float32]
Random = np.random.Generator
NO_ROOM = np.ones(1, np.float32)


@dataclass(frozen=True)
class EchoPath:
    """From our loudspeaker back into the user's microphone."""

    delay_s: float
    impulse: Samples  # gain and colour

    def of(self, own: Samples) -> Samples:
        """What the microphone hears of [S]: [S], delayed."""
        delay = round(self.delay_s * LISTEN_RATE_HZ)
        heard = np.concatenate([np.zeros(delay, np.float32), convolved(own, self.impulse)])
        return heard[: len(own)]


@dataclass(frozen=True)
class Conditions:
    """Where a user sits and what they speak into."""

    near: Samples  # room impulse of the user's own voice
    far: Samples  # of a voice across the room, or turned away
    gain: float  # of the user's voice
    floor: float  # root mean square of the room's tone
    bed: str | None  # a lasting noise
    bed_gain: float
    telephone: str | None  # "ulaw", "alaw"
    echo: EchoPath | None

    def ambience(self, random: Random, samples: int) -> Samples:
        """The room while nobody speaks: [samples]"""
        tone = random.standard_normal(samples).astype(np.float32)
        tone = self._band(tone + 3 * _low_passed(tone, 400.0))
        tone *= np.float32(self.floor / np.sqrt(np.mean(np.square(tone))))
        if self.bed is not None:
            tone += self._band(bed(random, self.bed, samples)) * np.float32(self.bed_gain)
        return tone

    def carried(self, sound: Samples) -> Samples:
        """All that the microphone picked up, after the line: [S] -> [S]"""
        if self.telephone is None:
            return sound
        return telephoned(sound, self.telephone)

    def _band(self, sound: Samples) -> Samples:
        return sound if self.telephone is None else banded(sound, 300.0, 3400.0)


def draw_conditions(random: Random, part: Part, echo_share: float = 0.5) -> Conditions:
    """A room, a line and a level; `echo_share`: how many have an echo path at all."""
    telephone = str(random.choice(["ulaw", "alaw"])) if random.random() < 0.25 else None
    has_bed = random.random() < 0.3
    echo = draw_echo(random, -45.0, -22.0, telephone is not None)
    has_echo = random.random() < echo_share
    return Conditions(
        near=NO_ROOM if random.random() < 0.25 else room(random, random.uniform(6, 18)),
        far=room(random, random.uniform(-6, 1), dull_hz=random.uniform(1800, 3500)),
        gain=decibels(random.uniform(-12, 2)),
        floor=decibels(random.uniform(-78, -58)),
        bed=str(random.choice(bed_kinds(part))) if has_bed else None,
        bed_gain=decibels(random.uniform(-48, -30)),
        telephone=telephone,
        echo=echo if has_echo else None,
    )


def draw_echo(random: Random, least_db: float, most_db: float, telephone: bool = False) -> EchoPath:
    """An echo path as loud as this against what is played."""
    impulse = room(random, random.uniform(2, 12), dull_hz=random.uniform(3000, 7000))
    impulse = np.concatenate([np.zeros(64, np.float32), impulse])  # room for the filter's sides
    if telephone:
        impulse = banded(impulse, 300.0, 3400.0)
    gain = decibels(random.uniform(least_db, most_db)) / float(np.sqrt(np.square(impulse).sum()))
    return EchoPath(delay_s=random.uniform(0.02, 0.25), impulse=impulse * np.float32(gain))


def room(random: Random, direct_db: float, dull_hz: float | None = None) -> Samples:
    """An impulse response: the direct sound at once, so much louder than all reflections."""
    decay_s = random.uniform(0.12, 0.5)  # to -60 dB
    t = np.arange(int(0.8 * decay_s * LISTEN_RATE_HZ)) / LISTEN_RATE_HZ
    late = random.standard_normal(len(t)) * 10 ** (-3 * t / decay_s) * np.minimum(1, t / 0.01)
    for at_s in random.uniform(0.002, 0.04, 7):
        late[int(at_s * LISTEN_RATE_HZ)] += random.choice([-1, 1]) * 10 ** (-3 * at_s / decay_s) * 3
    late *= 10 ** (-direct_db / 20) / np.sqrt(np.square(late).sum())
    late[0] = 1.0
    impulse = late.astype(np.float32)
    return impulse if dull_hz is None else _causal_low_pass(impulse, dull_hz)


def convolved(sound: Samples, impulse: Samples) -> Samples:
    """The sound in a room, with its tail: [S] -> [S + I - 1]"""
    size = len(sound) + len(impulse) - 1
    fast = 1 << (size - 1).bit_length()
    spectrum = np.fft.rfft(sound, fast) * np.fft.rfft(impulse, fast)
    return np.asarray(np.fft.irfft(spectrum, fast)[:size], np.float32)


def telephoned(sound: Samples, law: str) -> Samples:
    """Through a telephone: 300-3400 Hz, 8 kHz, G.711. [S] -> [S]"""
    narrow = soxr.resample(
        banded(sound, 300.0, 3400.0), LISTEN_RATE_HZ, TELEPHONE_RATE_HZ, quality="HQ"
    )
    pcm16 = np.round(np.clip(narrow, -1, 1) * 32767).astype(np.int16)
    heard = (
        ulaw_to_pcm16(pcm16_to_ulaw(pcm16))
        if law == "ulaw"
        else alaw_to_pcm16(pcm16_to_alaw(pcm16))
    )
    wide = soxr.resample(
        heard.astype(np.float32) / 32768, TELEPHONE_RATE_HZ, LISTEN_RATE_HZ, quality="HQ"
    )
    return np.asarray(np.pad(wide, (0, max(0, len(sound) - len(wide))))[: len(sound)], np.float32)


def banded(sound: Samples, low_hz: float, high_hz: float) -> Samples:
    """Only what lies between, with soft edges and without delay."""
    size = 1 << (2 * len(sound) - 1).bit_length()  # other sizes may take a hundred times longer
    hz = np.fft.rfftfreq(size, 1 / LISTEN_RATE_HZ)
    gain = 1 / np.sqrt(1 + (low_hz / np.maximum(hz, 1.0)) ** 8) / np.sqrt(1 + (hz / high_hz) ** 16)
    wide = np.fft.irfft(np.fft.rfft(sound, size) * gain, size)
    return np.asarray(wide[: len(sound)], np.float32)


def decibels(db: float) -> float:
    return float(10 ** (db / 20))


def _low_passed(sound: Samples, hz: float) -> Samples:
    return banded(sound, 0.0, hz)


def _causal_low_pass(sound: Samples, hz: float) -> Samples:
    """A one-pole filter twice over: duller, and nothing sounds before it should."""
    keep = float(np.exp(-2 * np.pi * hz / LISTEN_RATE_HZ))
    taps = (1 - keep) * keep ** np.arange(64)
    return convolved(convolved(sound, taps.astype(np.float32)), taps.astype(np.float32))
