"""Sounds that are nobody's words, made from noise: short (a cough, a door) or lasting (a street).

All are [S] at LISTEN_RATE_HZ with peak 1. Some kinds are held out altogether, all others by seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.scenes.texts import Part

Samples = NDArray[np.float32]
Random = np.random.Generator
_Floats = NDArray[np.float64]


def noise_kinds(part: Part) -> tuple[str, ...]:
    """The kinds of short noises this part may use."""
    return tuple(kind for kind in _SHORT if part == "held_out" or kind not in _HELD_OUT)


def bed_kinds(part: Part) -> tuple[str, ...]:
    return tuple(kind for kind in _BEDS if part == "held_out" or kind not in _HELD_OUT)


def noise(random: Random, kind: str) -> Samples:
    """A short noise of this kind, trimmed to what is heard of it."""
    made = _SHORT[kind](random)
    loud = np.flatnonzero(np.abs(made) > 0.02 * np.abs(made).max())
    return _peak_one(made[loud[0] : loud[-1] + 1])


def bed(random: Random, kind: str, samples: int) -> Samples:
    """A lasting noise of this kind."""
    return _peak_one(_BEDS[kind](random, samples))


def babble(random: Random, talkers: Sequence[Samples], samples: int) -> Samples:
    """Several talk at once, each from somewhere in the middle of what they say."""
    mixed = np.zeros(samples)
    for talk in talkers:
        again = np.tile(talk, 2 + samples // len(talk))
        start = int(random.integers(0, len(talk)))
        mixed += again[start : start + samples] * random.uniform(0.5, 1.0)
    return _peak_one(mixed)


def _peak_one(made: NDArray[np.floating]) -> Samples:
    peak = float(np.abs(made).max())
    assert peak > 0, "the noise is silent"
    return np.asarray(made / peak, np.float32)


def _seconds(seconds: float) -> _Floats:
    return np.arange(int(seconds * LISTEN_RATE_HZ)) / LISTEN_RATE_HZ


def _shaped(sound: _Floats, peaks: Sequence[tuple[float, float]], tilt_db: float = 0.0) -> _Floats:
    """With resonances at (Hz, width in Hz); the rest falls by tilt_db an octave above 500 Hz."""
    size = 1 << (len(sound) - 1).bit_length()  # other sizes may take a hundred times longer
    hz = np.fft.rfftfreq(size, 1 / LISTEN_RATE_HZ)
    gain = 0.05 + sum(1 / (1 + ((hz - at) / width) ** 2) for at, width in peaks)
    gain = gain * 10 ** (tilt_db * np.log2(np.maximum(hz, 500) / 500) / 20) * (hz > 60)
    return np.fft.irfft(np.fft.rfft(sound, size) * gain, size)[: len(sound)]


def _rise_and_fall(t: _Floats, rise_s: float, fall_s: float) -> _Floats:
    return np.minimum(1, t / rise_s) * np.exp(-np.maximum(0, t - rise_s) / fall_s)


def _pulses(random: Random, t: _Floats, pitch_hz: float, roughness: float) -> _Floats:
    """A rough voice: one pulse a period, unevenly spaced."""
    sound, at = np.zeros(len(t)), 0.0
    while at < len(t):
        sound[int(at)] = random.uniform(0.6, 1.0)
        at += LISTEN_RATE_HZ / pitch_hz * (1 + roughness * random.standard_normal() * 0.2)
        at = max(at, 0.0)
    return sound


def _throat(random: Random) -> list[tuple[float, float]]:
    size = random.uniform(0.85, 1.25)
    return [(600 * size, 150.0), (1250 * size, 250.0), (2500 * size, 500.0)]


def _in_a_row(parts: Sequence[_Floats], gaps_s: Sequence[float]) -> _Floats:
    row: list[_Floats] = []
    for part, gap_s in zip(parts, gaps_s, strict=True):
        row += [part, np.zeros(int(gap_s * LISTEN_RATE_HZ))]
    return np.concatenate(row)


def _cough(random: Random) -> _Floats:
    """Bursts of breath, loud at once, some with a moment of voice at the end."""
    times, resonances, coughs = int(random.integers(1, 4)), _throat(random), []
    for number in range(times):
        t = _seconds(random.uniform(0.18, 0.35))
        burst = random.standard_normal(len(t)) * _rise_and_fall(
            t, 0.006, random.uniform(0.03, 0.07)
        )
        voice = 3 * _pulses(random, t, random.uniform(110, 280), 1.0)
        voice *= random.uniform(0, 1) * _rise_and_fall(np.maximum(0, t - 0.06), 0.03, 0.05)
        coughs.append((0.85**number) * _shaped(burst + voice, resonances, -3.0))
    return _in_a_row(coughs, list(random.uniform(0.05, 0.35, times)))


def _cleared_throat(random: Random) -> _Floats:
    times, resonances, pitch_hz = (
        int(random.integers(1, 3)),
        _throat(random),
        random.uniform(70, 150),
    )
    parts = []
    for _ in range(times):
        t = _seconds(random.uniform(0.2, 0.5))
        rough = 4 * _pulses(random, t, pitch_hz, 1.5) + 0.4 * random.standard_normal(len(t))
        parts.append(_shaped(rough * np.abs(np.sin(np.pi * t / t[-1])) ** 0.6, resonances, -4.0))
    return _in_a_row(parts, list(random.uniform(0.03, 0.2, times)))


def _sneeze(random: Random) -> _Floats:
    breath, burst = _seconds(random.uniform(0.2, 0.4)), _seconds(random.uniform(0.25, 0.4))
    first = 0.15 * _shaped(random.standard_normal(len(breath)) * breath, _throat(random))
    hiss = random.standard_normal(len(burst)) * _rise_and_fall(burst, 0.01, 0.09)
    return _in_a_row([first, _shaped(hiss, [(3500.0, 1500.0)])], [0.03, 0.0])


def _door(random: Random) -> _Floats:
    t = _seconds(0.5)
    slam = np.zeros(len(t))
    for hz in random.uniform(60, 400, 6):
        slam += np.sin(2 * np.pi * hz * t) * np.exp(-t / random.uniform(0.03, 0.09))
    latch = random.standard_normal(len(t)) * _rise_and_fall(t, 0.002, 0.015)
    return slam + 2 * latch


def _keyboard(random: Random) -> _Floats:
    keys = int(random.integers(3, 12))
    clicks = []
    for _ in range(keys):
        t = _seconds(0.05)
        click = random.standard_normal(len(t)) * _rise_and_fall(t, 0.001, 0.006)
        clicks.append(
            random.uniform(0.4, 1) * _shaped(click, [(random.uniform(1500, 4000), 900.0)])
        )
    return _in_a_row(clicks, list(random.uniform(0.03, 0.22, keys)))


def _knock(random: Random) -> _Floats:
    knocks, hz, parts = int(random.integers(2, 5)), random.uniform(150, 500), []
    for _ in range(knocks):
        t = _seconds(0.12)
        strike = 0.3 * random.standard_normal(len(t)) * np.exp(-t / 0.004)
        parts.append(strike + np.sin(2 * np.pi * hz * t) * np.exp(-t / 0.02))
    return _in_a_row(parts, [random.uniform(0.08, 0.2)] * knocks)


def _dishes(random: Random) -> _Floats:
    parts = []
    for _ in range(int(random.integers(1, 4))):
        t = _seconds(0.4)
        rings = sum(np.sin(2 * np.pi * hz * t) for hz in random.uniform(1800, 6500, 5))
        parts.append(rings * np.exp(-t / random.uniform(0.03, 0.1)))
    return _in_a_row(parts, list(random.uniform(0.0, 0.2, len(parts))))


def _scrape(random: Random) -> _Floats:
    """A chair over the floor."""
    t = _seconds(random.uniform(0.3, 0.8))
    stutter = 1 + 0.8 * np.sign(np.sin(2 * np.pi * random.uniform(25, 60) * t))
    scrape = random.standard_normal(len(t)) * stutter * np.sin(np.pi * t / t[-1])
    return _shaped(scrape, [(random.uniform(300, 1200), 300.0), (2800.0, 800.0)], -2.0)


def _street(random: Random, samples: int) -> _Floats:
    """A low rumble, and cars that come and go."""
    t = np.arange(samples) / LISTEN_RATE_HZ
    rumble = _shaped(random.standard_normal(samples), [(120.0, 150.0)], -6.0)
    hiss = _shaped(random.standard_normal(samples), [(900.0, 700.0)], -3.0)
    for at_s in random.uniform(0, t[-1], 2):
        rumble += hiss * (0.1 + np.exp(-(((t - at_s) / 1.5) ** 2)))
    return rumble


def _hum(random: Random, samples: int) -> _Floats:
    """The mains and their harmonics."""
    t = np.arange(samples) / LISTEN_RATE_HZ
    base_hz = float(random.choice([50, 60]))
    hum = 0.05 * random.standard_normal(samples)
    for n in (1, 2, 3, 4, 6, 8):
        hum += np.sin(2 * np.pi * base_hz * n * t + n) / n
    return hum


def _fan(random: Random, samples: int) -> _Floats:
    return _shaped(random.standard_normal(samples), [(random.uniform(200, 900), 400.0)], -4.0)


def _rain(random: Random, samples: int) -> _Floats:
    drops = random.standard_normal(samples) * (random.random(samples) < 0.01)
    return _shaped(drops + 0.1 * random.standard_normal(samples), [(4000.0, 2500.0)])


_SHORT: dict[str, Callable[[Random], _Floats]] = {
    "cough": _cough,
    "cleared throat": _cleared_throat,
    "sneeze": _sneeze,
    "door": _door,
    "keyboard": _keyboard,
    "knock": _knock,
    "dishes": _dishes,
    "scrape": _scrape,
}
_BEDS: dict[str, Callable[[Random, int], _Floats]] = {
    "street": _street,
    "hum": _hum,
    "fan": _fan,
    "rain": _rain,
}
_HELD_OUT = frozenset({"sneeze", "dishes", "rain"})
