"""How much of a microphone window is our own voice coming back from the user's loudspeaker.

Both sides are compared as band energies over the last second: the delay that fits best is searched,
a level is fitted, and what remains unexplained is somebody else. It judges energy only; it removes
nothing from the audio. (In simulated calls WebRTC's AEC3 before voice activity made no fewer stops,
and real interruptions were noticed later: it takes a part of the user's voice, too.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from voiceserver.audio.phase_delay import phase_delay
from voiceserver.clock import LISTEN_RATE_HZ, VAD_WINDOW_SAMPLES, exact_div

Floats = NDArray[np.float32]

HOP_SAMPLES = exact_div(VAD_WINDOW_SAMPLES, 4)  # 8 ms: the step of the delay search
HOPS_PER_WINDOW = exact_div(VAD_WINDOW_SAMPLES, HOP_SAMPLES)
MOST_DELAY_HOPS = 140  # 1.12 s
HISTORY_WINDOWS = 32  # 1.02 s
REFERENCE_HOPS = MOST_DELAY_HOPS + HISTORY_WINDOWS * HOPS_PER_WINDOW
HISTORY_OF_BOTH_WINDOWS = -(-REFERENCE_HOPS // HOPS_PER_WINDOW)
BANDS = 16
LOWEST_HZ, HIGHEST_HZ = 150.0, 4000.0

# In natural logarithm of power: 10 dB is 2.3.
FLOOR = float(np.log(1e-9))  # -90 dBFS: quieter is silence
SPOKEN = float(np.log(1e-6))  # reference bands above this count when the level is fitted
LEVEL_QUANTILE = 0.3  # the user can only add energy, so the echo's level is a low quantile
LEVEL_MARGIN = 1.0  # about 4 dB of room colour
ROOM_DROP, ROOM_DECAY = 2.3, 0.92  # what rings is 10 dB below, and dies away in half a second
CHANCE_CORRELATION, CERTAIN_CORRELATION = 0.35, 0.6
JUDGED_WINDOWS = 4  # by energy, so that one loud window of the user's counts at once
# While energies do not tell yet, as in a reply's first second, phases do.
PHASE_WINDOWS = 12  # 0.38 s
CHANCE_SHARPNESS, CERTAIN_SHARPNESS = 7.0, 12.0
WINDOWS_PER_SEARCH = 4  # delays drift slowly, and the search is most of the work
UNSURE_WINDOWS_PER_SEARCH = 2


class ReferenceTape:
    """What the loudspeaker should have played, on the microphone's sample positions."""

    LENGTH_SAMPLES = 8 * LISTEN_RATE_HZ
    CONTINUOUS_SAMPLES = exact_div(LISTEN_RATE_HZ, 5)

    def __init__(self) -> None:
        self._samples = np.zeros(self.LENGTH_SAMPLES, np.float32)
        self._end = 0

    def write(self, samples: Floats, position: int, *, anew: bool = False) -> None:
        """Put samples at a position; a little jitter against what came before is taken as none.

        Unless they begin `anew`: then they are no earlier than that position.
        """
        lead = self._end - position
        if (0 if anew else -self.CONTINUOUS_SAMPLES) < lead < self.CONTINUOUS_SAMPLES:
            position = self._end
        begin, end = min(position, self._end), max(position + len(samples), self._end)
        span = np.arange(max(begin, end - self.LENGTH_SAMPLES), end)
        self._samples[span % self.LENGTH_SAMPLES] *= span < min(position, self._end)
        place = np.arange(position, position + len(samples)) % self.LENGTH_SAMPLES
        self._samples[place] = samples
        self._end = position + len(samples)

    def cut(self, position: int) -> None:
        """Nothing from this position on is played."""
        self._end = min(self._end, position)

    def delay(self, position: int, samples: int) -> None:
        """What stands from this position on is played so much later."""
        if self._end > position:
            later = self.read(position, self._end)
            self.cut(position)
            self.write(later, position + samples, anew=True)

    def read(self, begin: int, end: int) -> Floats:
        """Samples `[begin, end)`; silence where nothing was played or the tape has moved on."""
        positions = np.arange(begin, end)
        kept = (positions < self._end) & (positions >= max(0, self._end - self.LENGTH_SAMPLES))
        found: Floats = self._samples[positions % self.LENGTH_SAMPLES] * kept
        return found


class EchoTracker:
    """One session's echo path."""

    def __init__(self, voice_rate_hz: int) -> None:
        self._voice_rate_hz = voice_rate_hz
        self._tape = ReferenceTape()
        self._microphone = np.full((HISTORY_WINDOWS, BANDS), FLOOR, np.float32)
        self._reference = np.full((REFERENCE_HOPS, BANDS), FLOOR, np.float32)
        self._sound = np.zeros(PHASE_WINDOWS * VAD_WINDOW_SAMPLES, np.float32)  # the newest
        self._delay_hops = 0
        self._certainty = 0.0
        self._windows = 0
        self._skipped: list[tuple[int, Floats]] = []  # windows not yet in the histories
        # Sound not yet on the tape, and its position; no more than the tape holds.
        self._played: deque[tuple[Floats, int, bool]] = deque()
        self._played_samples = 0
        self._behind_samples = 0  # of the reply, behind whoever made it
        self._remembered_end = 0  # of the newest window in the histories

    def played(self, samples: Floats, position: int, begins_in_s: float) -> None:
        """Learn what will be heard `begins_in_s` after microphone position `position`."""
        if len(samples) == 0:  # the first frames of a reply may hold no sound yet
            return
        anew = begins_in_s == 0.0  # what came before was over: there has been a gap
        if anew:
            self._behind_samples = 0
        begin = position + round(begins_in_s * LISTEN_RATE_HZ) + self._behind_samples
        self._played.append((samples, begin, anew))
        self._played_samples += len(samples)
        most_samples = ReferenceTape.LENGTH_SAMPLES * self._voice_rate_hz // LISTEN_RATE_HZ
        while self._played_samples > most_samples:
            self._played_samples -= len(self._played.popleft()[0])

    def held_back(self, position: int, samples: int) -> None:
        """Of the `samples` before this microphone position nothing was heard: it comes now."""
        self._write_tape()
        self._tape.delay(position - samples, samples)
        self._behind_samples += samples
        # what was looked for in the microphone's history was never there
        begin = self._remembered_end - REFERENCE_HOPS * HOP_SAMPLES
        self._reference = band_energy(self._hops(begin, self._remembered_end))

    def hushed(self, position: int) -> None:
        """What was to be heard after this microphone position will not be heard."""
        self._write_tape()
        self._tape.cut(position)

    def spoken(self, end_sample: int) -> Floats:
        """What the loudspeaker should have played in the window that ends here: [512]"""
        self._write_tape()
        return self._tape.read(end_sample - VAD_WINDOW_SAMPLES, end_sample)

    def skip(self, end_sample: int, window: Floats) -> None:
        """Pass over a window that nobody asks about: it is looked at only if a later one is."""
        self._skipped.append((end_sample, window))
        del self._skipped[:-HISTORY_OF_BOTH_WINDOWS]
        self._windows = 0  # the delay is searched anew then

    def likeness(self, end_sample: int, window: Floats) -> float:
        """Share of a window's energy that our own voice explains, 0..1. window: [512]"""
        self._write_tape()
        skipped, self._skipped = self._skipped, []
        for run in _runs([*skipped, (end_sample, window)]):
            self._remember(run)
        if self._reference.max() < SPOKEN:
            return 0.0
        sure = self._certainty == 1.0
        if self._windows % (WINDOWS_PER_SEARCH if sure else UNSURE_WINDOWS_PER_SEARCH) == 0:
            self._search_delay()
        self._windows += 1
        return self._certainty * self._explained(self._delayed(np.array([self._delay_hops]))[0])

    def _write_tape(self) -> None:
        """Put what was played since a window was last asked about onto the tape."""
        for samples, position, anew in self._played:
            count = round(len(samples) * LISTEN_RATE_HZ / self._voice_rate_hz)
            where = np.arange(count) * (len(samples) / max(count, 1))
            resampled = np.interp(where, np.arange(len(samples)), samples).astype(np.float32)
            self._tape.write(resampled, position, anew=anew)
        self._played.clear()
        self._played_samples = 0

    def _remember(self, run: Sequence[tuple[int, Floats]]) -> None:
        """Put windows that follow each other into both histories."""
        begin, end = run[0][0] - VAD_WINDOW_SAMPLES, run[-1][0]
        self._remembered_end = end
        hops = self._hops(begin, end)
        reference = [self._reference[len(hops) :], band_energy(hops)]
        self._reference = np.concatenate(reference)[-REFERENCE_HOPS:]
        heard = [self._microphone[len(run) :], band_energy(np.stack([w for _, w in run]))]
        self._microphone = np.concatenate(heard)[-HISTORY_WINDOWS:]
        self._sound = np.concatenate([self._sound, *(w for _, w in run)])[-len(self._sound) :]

    def _hops(self, begin: int, end: int) -> Floats:
        """Windows of the reference, one for each hop of [begin, end): [hops, 512]"""
        tape = self._tape.read(begin - VAD_WINDOW_SAMPLES + HOP_SAMPLES, end)
        return np.lib.stride_tricks.sliding_window_view(tape, VAD_WINDOW_SAMPLES)[::HOP_SAMPLES]

    def _search_delay(self) -> None:
        """Find the delay at which both histories rise and fall together, and how surely they do."""
        delayed = self._delayed(np.arange(MOST_DELAY_HOPS))
        correlation = _correlation(self._microphone, delayed)
        self._delay_hops = int(correlation.argmax())
        by_energy = float(correlation[self._delay_hops])
        self._certainty = _between(CHANCE_CORRELATION, by_energy, CERTAIN_CORRELATION)
        if self._certainty < 1.0:
            self._search_delay_by_phase()

    def _search_delay_by_phase(self) -> None:
        end, samples = self._remembered_end, len(self._sound)
        begin = end - samples - MOST_DELAY_HOPS * HOP_SAMPLES
        late = phase_delay(self._sound, self._tape.read(begin, end))
        certainty = _between(CHANCE_SHARPNESS, late.sharpness, CERTAIN_SHARPNESS)
        if certainty > self._certainty:
            self._certainty = certainty
            self._delay_hops = min(round(late.samples / HOP_SAMPLES), MOST_DELAY_HOPS - 1)

    def _delayed(self, delay_hops: NDArray[np.int64]) -> Floats:
        """The reference beside the microphone's history: [delays, windows, bands]"""
        window = np.arange(-HISTORY_WINDOWS + 1, 1) * HOPS_PER_WINDOW
        rows: Floats = self._reference[REFERENCE_HOPS - 1 + window[None] - delay_hops[:, None]]
        return rows

    def _explained(self, reference: Floats) -> float:
        """Share of the newest windows within the fitted echo. reference: [windows, bands]"""
        spoken = reference > SPOKEN
        if not spoken[-JUDGED_WINDOWS:].any():
            return 0.0
        level = np.quantile((self._microphone - reference)[spoken], LEVEL_QUANTILE)
        heard = np.exp(self._microphone[-JUDGED_WINDOWS:])
        echo = np.exp(_ringing(reference)[-JUDGED_WINDOWS:] + level + LEVEL_MARGIN)
        return float(np.minimum(heard, echo).sum() / heard.sum())


def _runs(windows: Sequence[tuple[int, Floats]]) -> list[list[tuple[int, Floats]]]:
    """Cut where a window does not begin at the end of the one before."""
    runs: list[list[tuple[int, Floats]]] = []
    for end_sample, window in windows:
        if runs and runs[-1][-1][0] == end_sample - VAD_WINDOW_SAMPLES:
            runs[-1].append((end_sample, window))
        else:
            runs.append([(end_sample, window)])
    return runs


def band_energy(windows: Floats) -> Floats:
    """Natural logarithm of the power in each band. windows: [n, 512] -> [n, BANDS]"""
    spectrum = np.fft.rfft(windows * _HANN, axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    bands = power @ _BAND_SUMS / (VAD_WINDOW_SAMPLES**2 / 8)
    logarithm: Floats = np.log(np.maximum(bands, np.exp(FLOOR))).astype(np.float32)
    return logarithm


def _ringing(reference: Floats) -> Floats:
    """What is heard of it in a room, where sound dies away slowly: [windows, bands]"""
    decay = ROOM_DECAY * np.arange(len(reference), dtype=np.float32)[:, None]
    ringing: Floats = np.maximum.accumulate(reference + decay, axis=0) - decay - ROOM_DROP
    return np.maximum(ringing, reference, out=ringing)


def _between(none: float, value: float, full: float) -> float:
    """0 to 1 as the value goes from one to the other."""
    return min(max((value - none) / (full - none), 0.0), 1.0)


def _correlation(microphone: Floats, delayed: Floats) -> Floats:
    """Correlation of two energy pictures, each band about its own mean: [delays]"""
    x = (microphone - microphone.mean(axis=0)).ravel()
    r = (delayed - delayed.mean(axis=1, keepdims=True)).reshape(len(delayed), -1)
    power = np.square(x).sum() * np.einsum("di,di->d", r, r)
    correlation: Floats = (r @ x) / np.sqrt(power + 1e-6)
    return correlation


def _band_sums() -> Floats:
    """Which spectrum bins add up to which band, equally wide in mel: [257, BANDS]"""
    low_mel, high_mel = (2595.0 * np.log10(1.0 + hz / 700.0) for hz in (LOWEST_HZ, HIGHEST_HZ))
    edges_hz = 700.0 * (10.0 ** (np.linspace(low_mel, high_mel, BANDS + 1) / 2595.0) - 1.0)
    bins_hz = np.fft.rfftfreq(VAD_WINDOW_SAMPLES, 1.0 / LISTEN_RATE_HZ)[:, None]
    inside = (bins_hz >= edges_hz[:-1]) & (bins_hz < edges_hz[1:])
    return inside.astype(np.float32)


_HANN = np.hanning(VAD_WINDOW_SAMPLES).astype(np.float32)
_BAND_SUMS = _band_sums()
