"""What noise reduction changes: for turn-taking, which listens to it, and for words if they did.

Sentences are mixed with noise in a room, near the microphone or far from it, with noise alone
before and after. Turns are those of `server_vad` with the real voice activity; words are those of
the recogniser as nano runs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import soxr

from voiceserver.assets import resolve
from voiceserver.audio.pcm16 import to_pcm16
from voiceserver.audio.ring import SampleRing
from voiceserver.audio.vad import VoiceActivity, levels_dbfs
from voiceserver.bench.judge import WordErrors, total, word_errors
from voiceserver.bench.questions import INTERRUPTIONS, LONG_ANSWERS, QUESTIONS
from voiceserver.bench.report import Report
from voiceserver.clock import LISTEN_RATE_HZ, VAD_WINDOW_SAMPLES
from voiceserver.engine.family import Samples
from voiceserver.engine.listening.reduced import ReducedAudio
from voiceserver.engine.messages import NoiseReduction, SpeechActivity
from voiceserver.engine.nano.recogniser import Recogniser
from voiceserver.scenes.channels import convolved, room
from voiceserver.scenes.kokoro import RATE_HZ, VOICES, speak
from voiceserver.scenes.noises import babble, bed, noise
from voiceserver.session.settings import TurnSettings
from voiceserver.session.turns.detector import TurnDetector
from voiceserver.session.turns.events import Began, Ended

Place = Literal["near", "far"]
PLACES: tuple[Place, ...] = ("near", "far")
NOISES = ("street", "babble", "keyboard", "hum")
SNR_DB = (20, 10, 0)
WAYS: tuple[NoiseReduction | None, ...] = (None, "near_field", "far_field")
SENTENCES = (*QUESTIONS, *LONG_ANSWERS, *INTERRUPTIONS)
STRIDE = 7  # through the sentences, so that few of them are of all kinds
SPEECH_RMS = {"near": 0.05, "far": 0.01}
BEFORE, AFTER = 3 * LISTEN_RATE_HZ, 2 * LISTEN_RATE_HZ
PADDING = LISTEN_RATE_HZ * 3 // 10  # around the words, as a session reads them
SLACK = LISTEN_RATE_HZ // 5
BABBLERS = 4


@dataclass(frozen=True)
class Clip:
    """A sentence in noise; its words lie in [begin, end)."""

    text: str
    sound: Samples
    begin: int
    end: int


@dataclass
class Found:
    """What came of the clips of one kind, heard in one way."""

    clips: int = 0
    false_turns: int = 0  # begun where nobody spoke to us
    missed: int = 0
    open_ended: int = 0  # turns still under way two seconds after the last word
    words: list[WordErrors] = field(default_factory=list)


def measure(sentences: int, told: Callable[[str], None]) -> Report:
    """Every place, noise and level."""
    files = resolve("nano")
    vad, recogniser = VoiceActivity(files["vad"], 1), Recogniser(files["listener"])
    report = Report(
        title="noise",
        what=f"{sentences} sentences a noise by Kokoro voices, near ({SPEECH_RMS['near']:g} of "
        f"full scale) and far ({SPEECH_RMS['far']:g}, reverberant); noises: {', '.join(NOISES)}; "
        "words: of Whisper tiny.en if it read what is left (it reads what was heard)",
        headings=(
            "place, SNR",
            "noise_reduction",
            "false turns",
            "missed",
            "not ended",
            "word errors %",
        ),
    )
    for place in PLACES:
        for snr_db in SNR_DB:
            results = {way: Found() for way in WAYS}
            by_noise: dict[str, dict[str, float]] = {}
            for kind in NOISES:
                before = {way: len(results[way].words) for way in WAYS}
                for number in range(sentences):
                    clip = mixed(place, kind, snr_db, number)
                    for way in WAYS:
                        _hear(clip, way, vad, recogniser, results[way])
                by_noise[kind] = {
                    str(way): total(results[way].words[before[way] :]).percent for way in WAYS
                }
            for way in WAYS:
                _add(report, f"{place} {snr_db} dB", way, results[way])
                told(" | ".join(str(cell) for cell in report.rows[-1]))
            report.numbers[f"{place} {snr_db} dB, word errors by noise"] = by_noise
    return report


def mixed(place: Place, kind: str, snr_db: float, number: int) -> Clip:
    """Sentence `number` in this noise."""
    random = np.random.default_rng((number, PLACES.index(place), NOISES.index(kind)))
    text = SENTENCES[number * STRIDE % len(SENTENCES)]
    dry = _said(text, number)
    impulse = room(random, 12.0) if place == "near" else room(random, -3.0, dull_hz=3000.0)
    speech = convolved(dry, impulse)
    speech *= np.float32(SPEECH_RMS[place] / _rms(speech))
    around = _noise(random, kind, BEFORE + len(speech) + AFTER)
    around *= np.float32(_rms(speech) * 10 ** (-snr_db / 20) / _rms(around))
    around[BEFORE : BEFORE + len(speech)] += speech
    return Clip(text, np.clip(around, -1, 1), BEFORE, BEFORE + len(dry))


def _noise(random: np.random.Generator, kind: str, samples: int) -> Samples:
    if kind == "babble":
        chosen = random.integers(len(SENTENCES), size=BABBLERS)
        talkers = [_said(SENTENCES[i], 2 + k) for k, i in enumerate(chosen)]
        return babble(random, talkers, samples)
    if kind == "keyboard":
        return _typing(random, samples)
    return bed(random, kind, samples)


def _typing(random: np.random.Generator, samples: int) -> Samples:
    """Keys in bursts, with pauses between."""
    typed = np.zeros(samples, np.float32)
    at = 0
    while at < samples:
        burst = noise(random, "keyboard")[: samples - at]
        typed[at : at + len(burst)] += burst
        at += len(burst) + int(random.uniform(0.05, 0.4) * LISTEN_RATE_HZ)
    return typed


def _said(text: str, voice: int) -> Samples:
    spoken = speak(text, VOICES[voice % len(VOICES)])
    return np.asarray(soxr.resample(spoken, RATE_HZ, LISTEN_RATE_HZ), np.float32)


def _rms(sound: Samples) -> float:
    return float(np.sqrt(np.mean(np.square(sound))))


def _hear(
    clip: Clip, way: NoiseReduction | None, vad: VoiceActivity, recogniser: Recogniser, found: Found
) -> None:
    vad.reset(0)
    detector, began, ended = TurnDetector(TurnSettings()), list[Began](), list[Ended]()
    left: list[Samples] = []
    for end, window, level_dbfs in _windows(clip.sound, way):
        left.append(window)
        (voice,) = vad.step([0], window[None])
        activity = SpeechActivity("noise", end, voice, level_dbfs, 0.0)
        for event in detector.hear(activity, assistant_audible=False):
            began += [event] if isinstance(event, Began) else []
            ended += [event] if isinstance(event, Ended) else []
    onsets = [event.onset_sample for event in began]
    found.clips += 1
    found.false_turns += sum(not clip.begin - SLACK <= at < clip.end for at in onsets)
    found.missed += not any(at < clip.end for at in onsets)
    found.open_ended += detector.speaking
    begin, end = clip.begin - PADDING, clip.end + PADDING
    text = recogniser.transcribe(np.concatenate(left)[begin:end])
    found.words.append(word_errors(clip.text, text))


def _windows(sound: Samples, way: NoiseReduction | None) -> Iterator[tuple[int, Samples, float]]:
    """End, window as voice activity hears it, and level, as the engine's microphones have them."""
    heard = SampleRing(len(sound))
    heard.write(to_pcm16(sound))
    reduced = None if way is None else ReducedAudio(heard, 0, way)
    for end in range(VAD_WINDOW_SAMPLES, len(sound), VAD_WINDOW_SAMPLES):
        raw = heard.read(end - VAD_WINDOW_SAMPLES, end)
        window = raw if reduced is None else reduced.read(end - VAD_WINDOW_SAMPLES, end)
        if len(window) == VAD_WINDOW_SAMPLES:
            yield end, window, levels_dbfs(raw[None])[0]


def _add(report: Report, name: str, way: NoiseReduction | None, found: Found) -> None:
    words = total(found.words)
    row = (found.false_turns, found.missed, found.open_ended)
    cells = (f"{count} of {found.clips}" for count in row)
    report.rows.append((name, way or "null", *cells, f"{words.percent:.1f}"))
    report.numbers[f"{name}, {way or 'null'}"] = {
        "clips": found.clips,
        "false_turns": found.false_turns,
        "missed": found.missed,
        "not_ended": found.open_ended,
        "word_error_percent": words.percent,
        "words": words.words,
    }
