"""Live scenes: what one user does in front of a real server, from a seed.

The same kind, number and seed give the same scene, sample by sample.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from voiceserver.scenes.channels import EchoPath, draw_conditions, draw_echo
from voiceserver.scenes.pauses import Turn
from voiceserver.scenes.speech import KokoroSpeech
from voiceserver.scenes.stage import Event, Stage, seconds, spoken_turn
from voiceserver.scenes.texts import Part, prompts
from voiceserver.scenes.voices import Voice

Samples = NDArray[np.float32]
SceneKind = Literal[
    "pause",  # a turn with one or two pauses inside
    "turn_end",  # a turn without any
    "interruption",  # the user takes the floor while the assistant speaks
    "backchannel",  # "mm-hm" while the assistant speaks; so are all that follow
    "noise",  # a cough, a door
    "echo",  # the assistant comes back from the loudspeaker
    "background",  # television, people who talk to each other
    "aside",  # the user talks to somebody else
]
KINDS: tuple[SceneKind, ...] = get_args(SceneKind)
TURN_KINDS: tuple[SceneKind, ...] = ("pause", "turn_end")

LONG_TURNS = 0.15  # share of turns that have several sentences
ECHO_SHARE = 0.3  # of scenes that are not about echo
AMBIENCE_S = 30.0
ECHO_S = 4.0  # how long the echo is listened to, from the first sound on
TAIL_S = 0.5  # the room's answer to the last sound


@dataclass(frozen=True)
class Scene:
    """What a user's microphone hears, sound [S] at LISTEN_RATE_HZ, and when."""

    kind: SceneKind
    number: int
    prompt: str | None  # typed first, so that the assistant speaks
    begin_s: float  # where `sound` begins: after the start, or after the assistant's first sound
    sound: Samples
    events: tuple[Event, ...]  # times from the begin of `sound`
    ambience: Samples  # the room, from the start on
    echo: EchoPath | None  # of what the assistant is heard to say, all the time

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.number}"

    @property
    def subject(self) -> Event:
        """What the scene is about: its first event."""
        return self.events[0]


def scene(kind: SceneKind, number: int, seed: int = 0, part: Part = "held_out") -> Scene:
    """Scene `number` of a kind."""
    random = np.random.default_rng((seed, KINDS.index(kind), number))
    conditions = draw_conditions(random, part, ECHO_SHARE)
    if kind == "echo":
        line = conditions.telephone is not None
        conditions = replace(conditions, echo=draw_echo(random, -28.0, -10.0, line))
    stage = Stage(random, conditions, part)
    speech = KokoroSpeech(part)
    end = _perform(stage, kind, speech, speech.voice(random))
    speaks_first = kind not in TURN_KINDS
    prompt = prompts()[number % len(prompts())] if speaks_first else None
    begin_s = random.uniform(0.8, 1.6) if speaks_first else random.uniform(0.4, 0.9)
    begin_s = 0.1 if kind == "echo" else begin_s
    sound = stage.carried(end + seconds(TAIL_S))
    ambience = conditions.ambience(random, seconds(AMBIENCE_S))
    events = tuple(stage.events)
    return Scene(kind, number, prompt, begin_s, sound, events, ambience, conditions.echo)


def _perform(stage: Stage, kind: SceneKind, speech: KokoroSpeech, voice: Voice) -> int:
    """Do what the scene is about from sample 0 on; where that ends."""
    random = stage.random
    match kind:
        case "pause":
            return stage.turn(0, _turn(stage, speech, voice, fewest=1, most=2))
        case "turn_end":
            return stage.turn(0, _turn(stage, speech, voice, fewest=0, most=0))
        case "interruption":
            turn = spoken_turn(random, speech, voice, "interruptions")
            return stage.turn(0, turn, "interruption")
        case "backchannel":
            text, spoken = speech.say(random, "backchannels", voice)
            return stage.backchannel(0, spoken, text)
        case "noise":
            return stage.noise(0)
        case "background":
            several = 1 if random.random() < 0.6 else 4
            said = [speech.say(random, "broadcasts", speech.voice(random)) for _ in range(several)]
            talkers = [spoken.samples for _, spoken in said]
            return stage.broadcast(0, talkers, seconds(random.uniform(2.0, 3.5)), said[0][0])
        case "aside":
            text, spoken = speech.say(random, "asides", voice)
            return stage.aside(0, spoken, text)
        case "echo":
            stage.events.append(Event("echo", 0, seconds(ECHO_S)))
            return seconds(ECHO_S)


def _turn(stage: Stage, speech: KokoroSpeech, voice: Voice, fewest: int, most: int) -> Turn:
    kind = "long_turns" if stage.random.random() < LONG_TURNS else "questions"
    return spoken_turn(stage.random, speech, voice, kind, most, fewest)
