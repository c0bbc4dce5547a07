"""Does a laptop on loudspeakers interrupt itself, and can its user still interrupt it?

Calls are simulated: our own voice comes back through a drawn room, so much quieter than it was
played and so much later, into the real session, listening and turn-taking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from voiceserver.assets import resolve
from voiceserver.bench.intelligibility import held_out_replies
from voiceserver.bench.judge import total, word_errors
from voiceserver.bench.report import Report
from voiceserver.bench.simulated_call import PACKET_SAMPLES, Heard, Speech, call
from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.config import TurnTakingName, models_folder, policy_folder
from voiceserver.engine.family import Samples
from voiceserver.engine.listening.forecaster import forecaster_of
from voiceserver.engine.nano.listener import Listener
from voiceserver.engine.nano.speaking import speak
from voiceserver.engine.nano.voice import Voice
from voiceserver.nn import judges
from voiceserver.scenes.channels import EchoPath, convolved, decibels, draw_echo, room
from voiceserver.scenes.speech import KokoroSpeech
from voiceserver.session.settings import TurnSettings

ECHO_DB = (-6.0, -12.0, -20.0, -30.0, None)  # None: headphones
DELAY_S = (0.04, 0.4)
ROOM_TONE_DBFS = (-75.0, -58.0)
USER_DB = (-10.0, 0.0)  # against an ordinary speaking level
REPLY_S = 12.0
USER_AT_S = (2.0, 7.0)
LATEST_STOP_S = 2.5  # a stop within this time is the user's doing
TAIL_S = 1.5
SENTENCES = 3  # a reply
VAD_TURNS, SMART_TURNS = TurnSettings(), TurnSettings(kind="semantic_vad")


@dataclass(frozen=True)
class Scene:
    """One call: our speech, the way it comes back, and perhaps a user who interrupts it."""

    speech: Speech
    echo: EchoPath | None
    tone: Samples  # of the room: [S]
    user: Samples | None  # as the microphone hears them: [U]
    user_text: str
    user_at_s: float

    def hear(self, own: Samples, samples: int) -> Samples:
        """What the microphone sends of the newest so many samples. own: all that was played"""
        end = len(own)
        heard = self.tone[end - samples : end].copy()
        if self.echo is not None:
            heard += _newest(self.echo, own, samples)
        if self.user is not None:
            begin = round(self.user_at_s * LISTEN_RATE_HZ)
            spoken = self.user[max(0, end - samples - begin) : max(0, end - begin)]
            at = max(0, begin - (end - samples))
            heard[at : at + len(spoken)] += spoken
        return heard


@dataclass(frozen=True)
class Figures:
    """What came of the scenes of one kind."""

    seconds: float  # in which nothing but our own voice was to be heard
    stops: int  # by our own voice
    withheld_s: float  # of the seconds: silence while it was doubted who speaks
    ghosts: int  # turns of nobody, made of the end of our own reply
    caught: tuple[float, ...]  # seconds until real interruptions stopped us
    interruptions: int
    word_error_percent: float  # of what was understood of them

    @property
    def stops_per_minute(self) -> float:
        return 60 * self.stops / self.seconds


def measure(
    turn_taking: TurnTakingName,
    scenes: int,
    told: Callable[[str], None],
    echo_db: tuple[float | None, ...] = ECHO_DB,
) -> Report:
    """Each scene without and with a user."""
    listener = _listener(turn_taking)
    report = Report(
        title="echo",
        what=f"{scenes} simulated calls a row, --turn-taking {turn_taking}, nano's voice for "
        f"{REPLY_S:.0f} s through drawn rooms and {DELAY_S[0]:g}-{DELAY_S[1]:g} s of delay; stops: "
        "of the assistant, by its own voice; then a held-out user interrupts it",
        headings=(
            "echo dB",
            "stops a minute",
            "held back %",
            "turns of nobody",
            "interruptions heard",
            "median ms",
            "word errors %",
        ),
    )
    turns = VAD_TURNS if turn_taking == "smart-turn" else SMART_TURNS
    try:
        for level_db in echo_db:
            _add(report, level_db, _figures(listener, level_db, scenes, turns))
            told(" | ".join(str(cell) for cell in report.rows[-1]))
    finally:
        listener.end()
    return report


def _listener(turn_taking: TurnTakingName) -> Listener:
    files = resolve("nano")
    listener = Listener(files["vad"], files["turn_end"], files["listener"], 1, lambda: None)
    listener.forecaster = forecaster_of(turn_taking, 1)
    if turn_taking == "duplex":
        listener.floor = judges.load(judges.FLOOR, policy_folder())
    return listener


def _figures(
    listener: Listener, level_db: float | None, scenes: int, turns: TurnSettings
) -> Figures:
    seconds, stops, withheld_s, ghosts, caught, errors = 0.0, 0, 0.0, 0, list[float](), []
    for number in range(scenes):
        for with_user in (False, True):
            scene = draw(number, level_db, with_user)
            length_s = len(scene.tone) / LISTEN_RATE_HZ
            heard = call(listener, scene.speech, scene.hear, length_s, turns)
            quiet_until_s = scene.user_at_s if with_user else length_s
            until_s = min(quiet_until_s, len(scene.speech.samples) / scene.speech.rate_hz)
            stops += any(at_s < until_s for at_s in heard.turns_s)
            alone_s = min([until_s, *heard.turns_s])
            seconds += alone_s
            withheld_s += _dry_s(heard.own[: round(alone_s * LISTEN_RATE_HZ)])
            if not with_user:
                ghosts += any(at_s >= until_s for at_s in heard.turns_s)
            else:
                caught += _reaction_s(scene, heard)
                errors.append(word_errors(scene.user_text, " ".join(heard.texts)))
    return Figures(seconds, stops, withheld_s, ghosts, tuple(caught), scenes, total(errors).percent)


def _dry_s(own: Samples) -> float:
    """Seconds in which the loudspeaker had begun, and had nothing to play."""
    begun = own[np.flatnonzero(own)[:1].sum() :]
    packets = begun[: len(begun) // PACKET_SAMPLES * PACKET_SAMPLES].reshape(-1, PACKET_SAMPLES)
    return float((~packets.any(axis=1)).sum()) * PACKET_SAMPLES / LISTEN_RATE_HZ


def _reaction_s(scene: Scene, heard: Heard) -> list[float]:
    """How long after the user's first sound it was noticed, if it was."""
    waits_s = (at_s - scene.user_at_s for at_s in heard.turns_s)
    return [wait_s for wait_s in waits_s if 0 <= wait_s < LATEST_STOP_S][:1]


def draw(number: int, level_db: float | None, with_user: bool) -> Scene:
    """Scene `number`; the same but for the echo's level."""
    random = np.random.default_rng((7, number))
    speech = speeches()[number % len(speeches())]
    samples = round((REPLY_S + TAIL_S) * LISTEN_RATE_HZ)
    path = draw_echo(random, 0.0, 0.0)
    delay_s = random.uniform(*DELAY_S)
    tone = random.standard_normal(samples).astype(np.float32)
    tone *= np.float32(decibels(random.uniform(*ROOM_TONE_DBFS)))
    kokoro = KokoroSpeech("held_out")
    text, said = kokoro.say(random, "interruptions", kokoro.voice(random))
    gain = np.float32(decibels(random.uniform(*USER_DB)))
    user = gain * convolved(said.samples, room(random, random.uniform(4, 14)))
    at_s = random.uniform(*USER_AT_S)
    echo = None
    if level_db is not None:
        echo = EchoPath(delay_s, path.impulse * np.float32(decibels(level_db)))
    plain = text.replace("|", " ")
    return Scene(speech, echo, tone, user if with_user else None, plain, at_s)


@cache
def speeches() -> list[Speech]:
    """Long replies by nano's own voice."""
    voice = Voice.load(models_folder() / "nano", 1)
    return [_cut(voice, text) for text in _replies()]


def _replies() -> Iterator[str]:
    sentences = held_out_replies(SENTENCES * 6)
    for first in range(0, len(sentences), SENTENCES):
        yield " ".join(sentences[first : first + SENTENCES])


def _cut(voice: Voice, text: str) -> Speech:
    samples = speak(voice, text)[: round(REPLY_S * voice.sample_rate_hz)]
    return Speech(text, samples, voice.sample_rate_hz, voice.frame_samples)


def _newest(path: EchoPath, own: Samples, samples: int) -> Samples:
    """The echo of what was played, its newest samples."""
    late = round(path.delay_s * LISTEN_RATE_HZ)
    needed = samples + len(path.impulse) - 1
    begin, end = len(own) - late - needed, len(own) - late
    played = own[max(0, begin) : max(0, end)]
    played = np.concatenate([np.zeros(needed - len(played), np.float32), played])
    return np.asarray(convolved(played, path.impulse)[needed - samples : needed], np.float32)


def _add(report: Report, level_db: float | None, found: Figures) -> None:
    name = "none" if level_db is None else f"{level_db:.0f}"
    median_ms = 1000 * float(np.median(found.caught)) if found.caught else None
    report.rows.append(
        (
            name,
            f"{found.stops_per_minute:.2f} ({found.stops} in {found.seconds:.0f} s)",
            f"{100 * found.withheld_s / found.seconds:.1f}",
            f"{found.ghosts} of {found.interruptions}",
            f"{len(found.caught)} of {found.interruptions}",
            None if median_ms is None else f"{median_ms:.0f}",
            f"{found.word_error_percent:.0f}",
        )
    )
    report.numbers[f"{name} dB"] = {
        "stops_per_minute": found.stops_per_minute,
        "stops": found.stops,
        "seconds": found.seconds,
        "held_back_seconds": found.withheld_s,
        "turns_of_nobody": found.ghosts,
        "interruptions": found.interruptions,
        "interruptions_heard": len(found.caught),
        "median_ms": median_ms,
        "word_error_percent": found.word_error_percent,
    }
