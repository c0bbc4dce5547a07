"""What the duplex policy is told of every 32 ms window of a session's two channels.

Spectrum, pitch and level of the microphone against the speaker's own running means, how long voice
and silence have lasted, and what our loudspeaker plays. Only the past is looked at, and only what
these objects keep of it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from voiceserver.audio.mel import mel_filters
from voiceserver.clock import LISTEN_RATE_HZ, VAD_WINDOW_SAMPLES, exact_div

Floats = NDArray[np.float32]

RECIPE = 1  # increment when a feature changes: weights fit one recipe only
BANDS, OWN_BANDS = 32, 8
ANALYSED_SAMPLES = 2 * VAD_WINDOW_SAMPLES  # 64 ms: resolves the harmonics of a low voice
FFT_SAMPLES = 2 * ANALYSED_SAMPLES  # so that correlation does not wrap around
PART_SAMPLES = exact_div(VAD_WINDOW_SAMPLES, 4)  # 8 ms: where in the window sound begins or ends
LOWEST_PITCH_HZ, HIGHEST_PITCH_HZ = 65, 420
SHORTEST_LAG = LISTEN_RATE_HZ // HIGHEST_PITCH_HZ
LONGEST_LAG = LISTEN_RATE_HZ // LOWEST_PITCH_HZ

DB_10 = float(np.log(10.0))  # levels are logarithms of power in units of 10 dB
FAINTEST = -9.0  # -90 dBFS
TYPICAL_SPEECH, TYPICAL_FLOOR = -2.6, -6.0  # until this user and this room were heard
TYPICAL_PITCH_OCTAVES = float(np.log2(160.0))
VOICED, UNVOICED = 0.5, 0.2  # probability of voice
PERIODIC = 0.5  # correlation at the pitch's lag from which a pitch is believed
OCTAVE_COST = 0.05  # of correlation: a lag of two periods fits as well as one
OURS = 0.5  # echo likeness from which a voice is our own
OWN_AUDIBLE = -5.5
LEAST_WEIGHT = 0.02  # of a new window in a running mean
TURN_GAP_WINDOWS = 94  # 3 s without voice: what comes then is another turn
OWN_GAP_WINDOWS = 16  # half a second without sound: our speech is over
LONGEST_WINDOWS = 18_750  # ten minutes: counters stop here

# Places of some features: the spectrum comes first, then parts of the window, levels, pitch.
LEVEL = BANDS + 4
USUAL_LEVEL = LEVEL + 3
PITCH = LEVEL + 4
FEATURES = PITCH + 4 + 2 + OWN_BANDS + 2 + 9


class DuplexFeatures:
    """One slot's ears for both channels."""

    def __init__(self) -> None:
        self._recent = np.zeros(ANALYSED_SAMPLES, np.float32)
        self._speech = _Mean(TYPICAL_SPEECH)
        self._floor = _Mean(TYPICAL_FLOOR)
        self._pitch = _Mean(TYPICAL_PITCH_OCTAVES)
        self._last_pitch = 0.0  # octaves from the mean
        self._durations = _Durations()

    def step(self, user: Floats, own: Floats, voice: float, echo_likeness: float) -> Floats:
        """Take the next window of both channels. user, own: [512] -> [FEATURES]"""
        self._recent = np.concatenate([self._recent[VAD_WINDOW_SAMPLES:], user])
        spectrum = np.fft.rfft(self._recent * _HANN, FFT_SAMPLES)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        level = _level(np.square(user).mean())
        own_level = _level(np.square(own).mean())
        theirs = voice >= VOICED and echo_likeness < OURS
        if theirs:
            self._speech.add(level)
        elif voice < UNVOICED:
            self._floor.add(level)
        return np.concatenate(
            [
                _levels(_FILTERS @ power) - self._speech.value,
                _levels(np.square(user).reshape(4, -1).mean(axis=1)) - self._speech.value,
                [level, level - self._speech.value, level - self._floor.value, self._speech.value],
                self._melody(power, theirs),
                [voice, echo_likeness],
                _own_levels(own, own_level),
                [own_level, level - own_level if own_level > OWN_AUDIBLE else 0.0],
                self._durations.step(theirs, own_level > OWN_AUDIBLE),
            ]
        ).astype(np.float32)

    def _melody(self, power: NDArray[np.float64], theirs: bool) -> list[float]:
        """Pitch against the speaker's mean, its movement, how periodic, and whether believed."""
        correlation = np.fft.irfft(power)[: LONGEST_LAG + 1] / _HANN_CORRELATION
        lags = correlation[SHORTEST_LAG:] / max(correlation[0], 1e-9)
        best = int((lags - _LAG_COST).argmax())
        periodic = min(float(lags[best]), 1.0)
        if not theirs or periodic < PERIODIC:
            return [self._last_pitch, 0.0, periodic, 0.0]
        octaves = float(np.log2(LISTEN_RATE_HZ / (SHORTEST_LAG + best)))
        self._pitch.add(octaves)
        pitch = octaves - self._pitch.value
        moved, self._last_pitch = pitch - self._last_pitch, pitch
        return [pitch, moved, periodic, 1.0]


class _Mean:
    """A running mean that follows quickly at first and slowly later."""

    def __init__(self, value: float) -> None:
        self.value, self._count = value, 2

    def add(self, new: float) -> None:
        self._count += 1
        self.value += max(1.0 / self._count, LEAST_WEIGHT) * (new - self.value)


class _Durations:
    """How long the user and we have spoken and been silent, in windows."""

    def __init__(self) -> None:
        self._run = self._turn = self._voiced = 0  # without a break, with breaks, less breaks
        self._silence = LONGEST_WINDOWS
        self._own = 0
        self._own_silence = LONGEST_WINDOWS

    def step(self, voiced: bool, own_audible: bool) -> Floats:
        self._hear_user(voiced)
        self._hear_own(own_audible)
        counts = (self._run, self._turn, self._voiced, self._silence, self._own, self._own_silence)
        ramps = (self._silence / 8.0, self._silence / 24.0, self._own_silence / 24.0)
        return np.concatenate(
            [np.log1p(np.minimum(counts, LONGEST_WINDOWS)) / 3.0, np.minimum(ramps, 1.0)]
        ).astype(np.float32)

    def _hear_user(self, voiced: bool) -> None:
        self._run = self._run + 1 if voiced else 0
        self._silence = 0 if voiced else self._silence + 1
        self._turn += voiced or self._turn > 0
        self._voiced += voiced
        if self._silence > TURN_GAP_WINDOWS:
            self._turn = self._voiced = 0

    def _hear_own(self, audible: bool) -> None:
        self._own_silence = 0 if audible else self._own_silence + 1
        self._own = self._own + 1 if self._own_silence <= OWN_GAP_WINDOWS else 0


def _own_levels(own: Floats, level: float) -> Floats:
    """What the loudspeaker plays, by bands: [512] -> [OWN_BANDS]"""
    if level <= FAINTEST:
        return np.full(OWN_BANDS, FAINTEST, np.float32)
    spectrum = np.fft.rfft(own * _OWN_HANN)
    return _levels(_OWN_FILTERS @ (np.square(spectrum.real) + np.square(spectrum.imag)))


def _level(power: float) -> float:
    return max(FAINTEST, float(np.log(power + 1e-12)) / DB_10)


def _levels(power: NDArray[np.float64] | Floats) -> Floats:
    levels: Floats = np.maximum(FAINTEST, np.log(power + 1e-12) / DB_10).astype(np.float32)
    return levels


def _unit_filters(bins: int, bands: int, window: Floats) -> Floats:
    """Mel triangles, such that white noise has in every band the level it has in the whole."""
    filters = mel_filters(bins, bands)
    scaled: Floats = filters / filters.sum(axis=1, keepdims=True) / np.square(window).sum()
    return scaled.astype(np.float32)


_HANN = np.hanning(ANALYSED_SAMPLES).astype(np.float32)
_HANN_CORRELATION = np.fft.irfft(np.abs(np.fft.rfft(_HANN, FFT_SAMPLES)) ** 2)[: LONGEST_LAG + 1]
_HANN_CORRELATION /= _HANN_CORRELATION[0]
_LAG_COST = OCTAVE_COST * np.log2(np.arange(SHORTEST_LAG, LONGEST_LAG + 1))
_FILTERS = _unit_filters(FFT_SAMPLES // 2 + 1, BANDS, _HANN)
_OWN_HANN = np.hanning(VAD_WINDOW_SAMPLES).astype(np.float32)
_OWN_FILTERS = _unit_filters(VAD_WINDOW_SAMPLES // 2 + 1, OWN_BANDS, _OWN_HANN)
