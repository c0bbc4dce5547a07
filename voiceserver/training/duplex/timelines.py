"""Turns as a session meets them, window by window, with all that tells a pause from an end.

A call of two turns with a reply of ours between them, so that both a caller's first turn and a
later one are there. What the policy hears, what a judge of turn ends hears at a pause's first
moment, and what the recogniser reads then, are kept; what is made of them is decided elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from voiceserver.audio.duplex_features import DuplexFeatures
from voiceserver.audio.vad import VoiceActivity
from voiceserver.clock import VAD_WINDOW_SAMPLES
from voiceserver.engine.messages import SpeechActivity
from voiceserver.engine.nano.recogniser import Recogniser
from voiceserver.nn.judges import TURN_END
from voiceserver.scenes.channels import draw_conditions
from voiceserver.scenes.live import LONG_TURNS
from voiceserver.scenes.speech import Speech
from voiceserver.scenes.stage import Event, Stage, seconds, spoken_turn
from voiceserver.scenes.texts import Part
from voiceserver.session.settings import TurnSettings
from voiceserver.session.turns.detector import TurnDetector
from voiceserver.session.turns.events import Began, Paused, Resumed, TurnEvent
from voiceserver.training.duplex.features import as_sent
from voiceserver.training.duplex.speech import PiperBank

Floats = NDArray[np.float32]
Random = np.random.Generator

AFTER_END: Final = seconds(2.6)  # the longest patience of a session, and a little
WITH_PAUSES: Final = 0.6  # of all turns
CALLS: Final = 25  # a file
LATER_WINDOWS: Final = 8  # after a pause was noticed a judge may be asked once more
NEVER: Final = 1 << 30


@dataclass(frozen=True)
class Pause:
    """A silence inside a turn or after it, as a session notices it. Windows count from the call."""

    noticed: int  # the first window of the pause
    resumed: int  # the window in which the user was heard to go on; NEVER: not at all
    spoke_until: int  # sample
    text: str  # all that the recogniser reads of the turn by then


@dataclass(frozen=True)
class Turn:
    """One turn of a call."""

    call: int
    first: bool  # of the call
    end: int  # sample: of its last word
    last_window: int  # here nobody waits any longer
    silences: tuple[tuple[int, int], ...]  # samples of pauses inside it
    pauses: tuple[Pause, ...]


@dataclass(frozen=True)
class Call:
    """What is known of both turns."""

    features: NDArray[np.float16]  # [T, FEATURES], for the policy
    pooled: NDArray[np.float16]  # [pauses of both turns, 2: at once and later, features]
    turns: tuple[Turn, ...]


class _Endless(TurnDetector):
    """Notices pauses, and waits for ever."""

    def _maybe_over(self, end_sample: int) -> list[TurnEvent]:
        return []


class Listening:
    """Makes calls, and hears them as the engine and a session do."""

    def __init__(self, vad: Path, recogniser: Recogniser, bank: PiperBank) -> None:
        self._vad, self._recogniser, self._bank = vad, recogniser, bank

    def call(self, number: int, random: Random, speech: Speech[Any], part: Part) -> Call:
        """Two turns of one speaker in one room."""
        stage = Stage(random, draw_conditions(random, part, 0.0), part)
        voice = speech.voice(random)
        replies = self._bank.own(random)
        own_at, at, ends = 0, seconds(random.uniform(0.4, 0.9)), []
        for _ in range(2):
            kind = "long_turns" if random.random() < LONG_TURNS else "questions"
            most = 2 if random.random() < WITH_PAUSES else 0
            ends.append(
                stage.turn(at, spoken_turn(random, speech, voice, kind, most, min(1, most)))
            )
            own_at = ends[0] + AFTER_END
            at = own_at + len(replies[0]) + seconds(random.uniform(0.4, 1.5))
        heard = as_sent(stage.rendered(ends[-1] + AFTER_END + VAD_WINDOW_SAMPLES))
        own = np.zeros_like(heard)
        place = own[own_at : own_at + len(replies[0])]
        place += replies[0][: len(place)]
        features, voices = self._heard(heard, own)
        turns, pooled = self._turns(number, stage.events, ends, heard, voices)
        return Call(features.astype(np.float16), pooled.astype(np.float16), turns)

    def _heard(self, user: Floats, own: Floats) -> tuple[Floats, Floats]:
        """Features [T, FEATURES] and voice probabilities [T]."""
        activity, ears = VoiceActivity(self._vad, 1), DuplexFeatures()
        features, voices = [], []
        for end in range(VAD_WINDOW_SAMPLES, len(user) + 1, VAD_WINDOW_SAMPLES):
            span = slice(end - VAD_WINDOW_SAMPLES, end)
            (voice,) = activity.step([0], user[None, span])
            features.append(ears.step(user[span], own[span], voice, 0.0))
            voices.append(voice)
        return np.stack(features), np.array(voices, np.float32)

    def _turns(
        self, number: int, events: list[Event], ends: list[int], heard: Floats, voices: Floats
    ) -> tuple[tuple[Turn, ...], Floats]:
        """Both turns, and what the judge is told of each pause."""
        turns, pooled = [], []
        window = 0
        silences = [(e.begin, e.end) for e in events if e.kind == "pause"]
        for index, end in enumerate(ends):
            last = (end + AFTER_END) // VAD_WINDOW_SAMPLES
            pauses = []
            for span, pause in self._pauses(voices, window, last):
                pauses.append(Pause(*pause, self._recogniser.transcribe(heard[span])))
                later = span.stop + LATER_WINDOWS * VAD_WINDOW_SAMPLES
                silent = pause[1] > pause[0] + LATER_WINDOWS
                longer = heard[span.start : later if silent else span.start]
                pooled.append([self._pooled(heard[span]), self._pooled(longer)])
            inside = tuple(s for s in silences if window * VAD_WINDOW_SAMPLES < s[0] < end)
            turns.append(Turn(number, index == 0, end, last, inside, tuple(pauses)))
            window = last
        shape = (len(pooled), 2, TURN_END.pooling.features)
        return tuple(turns), np.array(pooled, np.float32).reshape(shape)

    def _pooled(self, sound: Floats) -> Floats:
        """What the judge is told: [features]; nothing where nothing is asked."""
        if len(sound) == 0:
            return np.zeros(TURN_END.pooling.features, np.float32)
        states = self._recogniser.states(TURN_END.pooling.to_encode(sound))
        return TURN_END.pooling.pooled(states, len(sound))

    def _pauses(
        self, voices: Floats, first: int, last: int
    ) -> Iterator[tuple[slice, tuple[int, int, int]]]:
        """All of one turn: what was heard by then; noticed, resumed, spoken until."""
        detector = _Endless(TurnSettings(kind="semantic_vad"), first * VAD_WINDOW_SAMPLES)
        start, found = 0, None
        for window in range(first, last):
            end = (window + 1) * VAD_WINDOW_SAMPLES
            for event in detector.hear(_activity(end, voices[window]), assistant_audible=False):
                match event:
                    case Began():
                        start = event.start_sample
                    case Paused():
                        found = slice(start, event.end_sample), window, event.spoke_until_sample
                    case Resumed() if found is not None:
                        yield found[0], (found[1], window, found[2])
                        found = None
        if found is not None:
            yield found[0], (found[1], NEVER, found[2])


def _activity(end_sample: int, voice: float) -> SpeechActivity:
    return SpeechActivity("", end_sample, float(voice), -30.0, 0.0)


def write(folder: Path, number: int, calls: list[Call]) -> None:
    """Calls as one file."""
    arrays = {f"features{i}": call.features for i, call in enumerate(calls)}
    arrays |= {f"pooled{i}": call.pooled for i, call in enumerate(calls)}
    told = json.dumps([[asdict(turn) for turn in call.turns] for call in calls])
    partial = folder / f"calls_{number:05d}.partial.npz"
    np.savez(partial, turns=np.frombuffer(told.encode(), np.uint8), **arrays)  # type: ignore[arg-type]
    partial.rename(folder / f"calls_{number:05d}.npz")


def read(folder: Path) -> Iterator[Call]:
    """All calls of a folder."""
    for path in sorted(folder.glob("calls_?????.npz")):
        with np.load(path) as arrays:
            for index, turns in enumerate(json.loads(arrays["turns"].tobytes())):
                found = tuple(_turn(turn) for turn in turns)
                yield Call(arrays[f"features{index}"], arrays[f"pooled{index}"], found)


def _turn(told: dict[str, Any]) -> Turn:
    silences = tuple((int(begin), int(end)) for begin, end in told["silences"])
    pauses = tuple(Pause(**pause) for pause in told["pauses"])
    return Turn(**{**told, "silences": silences, "pauses": pauses})
