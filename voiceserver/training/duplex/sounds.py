"""Sounds with known meaning, for the judges: what is heard over us, and pauses and ends of turns.

Each is heard only up to a moment, as a session hears it that has to decide.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from voiceserver.scenes.channels import Conditions, draw_conditions, draw_echo
from voiceserver.scenes.speech import Speech
from voiceserver.scenes.stage import Stage, seconds, spoken_turn
from voiceserver.scenes.texts import Part
from voiceserver.training.duplex.features import as_sent
from voiceserver.training.duplex.speech import PiperBank

Samples = NDArray[np.float32]
Random = np.random.Generator

# What is heard while we speak: how often, and which class of nn.judges.FLOOR it is.
OVER_US: Final = {
    "interruptions": (0.25, "takes_floor"),
    "questions": (0.1, "takes_floor"),
    "backchannels": (0.28, "listens"),
    "noise": (0.06, "noise_or_echo"),
    "echo": (0.12, "noise_or_echo"),
    "asides": (0.1, "elsewhere"),
    "broadcasts": (0.09, "elsewhere"),
}
CUTS_S: Final = (0.25, 0.32, 0.4, 0.48, 0.56, 0.64, 0.72, 0.8, 0.9, 1.0, 1.15, 1.3)
CUTS: Final = 3  # of one sound
LEAD: Final = seconds(0.5)  # of the room, before the sound
BEFORE: Final = seconds(0.1)  # the span a session asks about begins about so early
ENDED: Final = seconds(0.128)  # so long after a sound a session takes it for over
ECHO_SHARE: Final = 0.5
TWICE: Final = 0.12  # "yeah. Yeah."
FALLS_SILENT: Final = 0.8  # of sounds over us: we doubt, and say no more
JUDGED_AFTER: Final = (0.056, 0.19)  # seconds after the last sample of a word
LONG_TURNS: Final = 0.15


@dataclass(frozen=True)
class Sound:
    """What a session has heard when it asks, and what it is."""

    samples: Samples  # [S] at LISTEN_RATE_HZ
    kind: str  # a class of the question


def over_us(random: Random, speech: Speech[Any], bank: PiperBank, part: Part) -> Iterator[Sound]:
    """One sound while the assistant speaks, as heard up to a few moments."""
    kinds = list(OVER_US)
    kind = str(random.choice(kinds, p=[OVER_US[name][0] for name in kinds]))
    conditions = draw_conditions(random, part, ECHO_SHARE)
    if kind == "echo":
        line = conditions.telephone is not None
        conditions = replace(conditions, echo=draw_echo(random, -28.0, -10.0, line))
    stage = Stage(random, conditions, part)
    end = _perform(stage, kind, speech)
    samples = end + seconds(1.0)
    heard = stage.rendered(samples, _own(random, bank, conditions, samples, kind))
    for cut_s in sorted(random.choice(CUTS_S, CUTS, replace=False)):
        over = LEAD + seconds(float(cut_s)) > end + ENDED
        until = min(LEAD + seconds(float(cut_s)), end + ENDED) + int(random.integers(0, 1024))
        begin = max(0, LEAD - BEFORE - _too_early(random))
        yield Sound(as_sent(heard[begin:until]), OVER_US[kind][1])
        if over:
            return


def _perform(stage: Stage, kind: str, speech: Speech[Any]) -> int:
    """Do it after LEAD; where it ends."""
    random, voice = stage.random, speech.voice(stage.random)
    match kind:
        case "interruptions" | "questions":
            return stage.turn(LEAD, spoken_turn(random, speech, voice, kind), "interruption")
        case "backchannels":
            text, spoken = speech.say(random, kind, voice)
            end = stage.backchannel(LEAD, spoken, text)
            if random.random() >= TWICE:
                return end
            text, spoken = speech.say(random, kind, voice)
            return stage.backchannel(end + seconds(random.uniform(0.05, 0.3)), spoken, text)
        case "noise":
            return stage.noise(LEAD)
        case "asides":
            text, spoken = speech.say(random, kind, voice)
            return stage.aside(LEAD, spoken, text)
        case "broadcasts":
            several = 1 if random.random() < 0.6 else 4
            said = [speech.say(random, kind, speech.voice(random)) for _ in range(several)]
            length = seconds(random.uniform(1.0, 2.0))
            return stage.broadcast(LEAD, [s.samples for _, s in said], length, said[0][0])
    return LEAD + seconds(random.uniform(0.5, 1.4))  # nothing but our echo


def _own(
    random: Random, bank: PiperBank, conditions: Conditions, samples: int, kind: str
) -> Samples | None:
    """What our loudspeaker plays meanwhile: [samples]; None if nothing of it comes back."""
    if conditions.echo is None:
        return None
    own = bank.own(random)[0][:samples]
    own = np.pad(own, (0, samples - len(own)))
    if kind != "echo" and random.random() < FALLS_SILENT:
        own[LEAD + seconds(random.uniform(0.15, 0.5)) :] = 0
    return own


def _too_early(random: Random) -> int:
    """How much sooner than the sound a session takes its begin for, in samples: mostly little."""
    return int(random.uniform(-480, 800) if random.random() < 0.7 else random.uniform(800, 6000))


def pauses_and_ends(random: Random, speech: Speech[Any], part: Part) -> Iterator[Sound]:
    """A turn with up to two pauses, as heard shortly after each of them began and after its end."""
    stage = Stage(random, draw_conditions(random, part, 0.0), part)
    kind = "long_turns" if random.random() < LONG_TURNS else "questions"
    most = int(random.integers(0, 3))
    turn = spoken_turn(random, speech, speech.voice(random), kind, most, min(1, most))
    end = stage.turn(LEAD, turn)
    heard = stage.rendered(end + seconds(0.6))
    moments = [(event.begin, "goes_on") for event in stage.events if event.kind == "pause"]
    moments += [(event.end, "goes_on") for event in stage.events if event.kind == "filler"]
    for at, sounds in [*moments, (end, "yields")]:
        until = at + seconds(random.uniform(*JUDGED_AFTER))
        yield Sound(as_sent(heard[LEAD - seconds(0.4) : until]), sounds)
