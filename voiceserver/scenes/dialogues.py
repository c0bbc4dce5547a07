"""Training dialogues: both channels of a conversation with sampled turn-taking, and all its events.

The assistant answers after a gap, cuts itself off when interrupted, sometimes late, sometimes never
answers, and now and then speaks into a pause by mistake. Its channel is what it sends; the room may
hear that somewhat later, which counts into the delay of the echo.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Generic

import numpy as np
from numpy.typing import NDArray

from voiceserver.scenes.channels import draw_conditions
from voiceserver.scenes.pauses import Turn
from voiceserver.scenes.speech import Speech, V
from voiceserver.scenes.stage import Event, Stage, seconds, spoken_turn
from voiceserver.scenes.texts import Part

Samples = NDArray[np.float32]
Random = np.random.Generator

NEVER_ANSWERED = 0.08  # share of turns
INTO_A_PAUSE = 0.12  # share of long pauses into which the assistant speaks
TALKS_ON = 0.2  # share of interruptions that the assistant notices late
LEAD_S = 0.3  # the room may hear the assistant so much later than it sent
_FADE = seconds(0.01)
# What happens while the assistant speaks, and how often.
DURING_REPLY = {
    "nothing": 0.24,
    "backchannel": 0.2,
    "interruption": 0.26,
    "noise": 0.12,
    "aside": 0.1,
    "broadcast": 0.08,
}


@dataclass(frozen=True)
class Dialogue:
    """Two channels [S] at LISTEN_RATE_HZ, and what happens on them in order of time."""

    user: Samples
    own: Samples
    events: tuple[Event, ...]


def dialogue(
    random: Random,
    speech: Speech[V],
    replies: Sequence[Samples],
    part: Part = "training",
    length_s: float = 30.0,
) -> Dialogue:
    """About so long. `replies`: utterances of the assistant's voice, [S] at LISTEN_RATE_HZ each."""
    conditions = draw_conditions(random, part)
    if conditions.echo is not None:
        late_s = conditions.echo.delay_s + random.uniform(0, LEAD_S)
        conditions = replace(conditions, echo=replace(conditions.echo, delay_s=late_s))
    stage = Stage(random, conditions, part)
    writer = _Writer(random, stage, speech, speech.voice(random), replies)
    at = seconds(random.uniform(0.3, 1.5))
    while at < seconds(length_s):
        at = writer.exchange(at)
    own = writer.own_channel(at + seconds(1.0))
    events = sorted(stage.events, key=lambda event: (event.begin, event.end))
    return Dialogue(stage.rendered(len(own), own), own, tuple(events))


@dataclass
class _Writer(Generic[V]):
    """Puts one exchange after another on the stage."""

    random: Random
    stage: Stage
    speech: Speech[V]
    voice: V
    replies: Sequence[Samples]
    _own: list[tuple[int, Samples]] = field(default_factory=list)

    def exchange(self, at: int) -> int:
        """A turn of the user's and all that comes of it, up to where the next one may begin."""
        kind = "long_turns" if self.random.random() < 0.3 else "questions"
        turn = self._spoken(kind, most_pauses=2)
        self._speak_into_a_pause(at, turn)
        end: int | None = self.stage.turn(at, turn)
        while end is not None:
            at = end
            if self.random.random() < NEVER_ANSWERED:
                at += seconds(self.random.uniform(1.0, 3.0))
                break
            at, end = self._reply(at + seconds(self.random.uniform(0.2, 1.5)))
        at += seconds(self.random.uniform(0.4, 2.5))
        if self.random.random() < 0.3:
            happens = str(self.random.choice(("noise", "aside", "broadcast")))
            at = self._happen(happens, at) + seconds(self.random.uniform(0.3, 1.5))
        return at

    def own_channel(self, samples: int) -> Samples:
        own = np.zeros(samples, np.float32)
        for at, sound in self._own:
            place = own[at : at + len(sound)]
            place += sound[: len(place)]
        return own

    def _reply(self, at: int) -> tuple[int, int | None]:
        """Speak and be disturbed: where it is quiet again, and the end of an interruption."""
        sound = self.replies[int(self.random.integers(len(self.replies)))]
        happens = str(self.random.choice(list(DURING_REPLY), p=list(DURING_REPLY.values())))
        when = at + int(len(sound) * self.random.uniform(0.1, 0.8))
        if happens == "interruption":
            return self._interrupted(at, sound, when)
        self._say(at, sound)
        end = at + len(sound)
        while happens != "nothing" and when < end:
            until = self._happen(happens, when)
            if happens != "backchannel" or self.random.random() < 0.5:
                return max(end, until), None
            when = until + seconds(self.random.uniform(0.8, 3.0))
        return end, None

    def _interrupted(self, at: int, sound: Samples, when: int) -> tuple[int, int]:
        kind = "interruptions" if self.random.random() < 0.7 else "questions"
        turn = self._spoken(kind, most_pauses=int(self.random.random() < 0.3))
        self.stage.turn(when, turn, "interruption")
        noticed_s = 2.0 if self.random.random() < TALKS_ON else self.random.uniform(0.2, 0.7)
        stop = min(when + seconds(noticed_s), at + len(sound))
        self._say(at, sound[: stop - at])
        end = when + len(turn.samples)
        return max(end, stop), max(end, stop)

    def _speak_into_a_pause(self, at: int, turn: Turn) -> None:
        for begin, end in turn.pauses:
            if end - begin < seconds(0.8) or self.random.random() > INTO_A_PAUSE:
                continue
            start = begin + seconds(self.random.uniform(0.3, 0.6))
            stop = end + seconds(self.random.uniform(0.2, 0.7))
            reply = self.replies[int(self.random.integers(len(self.replies)))]
            self._say(at + start, reply[: stop - start])

    def _happen(self, what: str, at: int) -> int:
        """Something that is not for us."""
        if what == "noise":
            return self.stage.noise(at)
        if what == "backchannel":
            text, spoken = self.speech.say(self.random, "backchannels", self.voice)
            return self.stage.backchannel(at, spoken, text)
        if what == "aside":
            text, spoken = self.speech.say(self.random, "asides", self.voice)
            return self.stage.aside(at, spoken, text)
        several = 1 if self.random.random() < 0.6 else 4
        heard = [
            self.speech.say(self.random, "broadcasts", self.speech.voice(self.random))
            for _ in range(several)
        ]
        talkers = [spoken.samples for _, spoken in heard]
        length = seconds(self.random.uniform(2.0, 5.0))
        return self.stage.broadcast(at, talkers, length, heard[0][0])

    def _say(self, at: int, sound: Samples) -> None:
        """The assistant's: what is cut off ends without a click."""
        said = sound.copy()
        fade = min(_FADE, len(said))
        said[len(said) - fade :] *= np.linspace(1, 0, fade, dtype=np.float32)
        self._own.append((at, said))
        self.stage.events.append(Event("own", at, at + len(said)))

    def _spoken(self, kind: str, most_pauses: int) -> Turn:
        return spoken_turn(self.random, self.speech, self.voice, kind, most_pauses)
