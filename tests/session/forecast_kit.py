"""A scripted policy: pictures of windows with what is forecast of each, through a session."""

from __future__ import annotations

from itertools import count
from math import inf
from typing import TypeVar

from voiceserver.clock import VAD_WINDOW_SAMPLES
from voiceserver.config import Limits
from voiceserver.engine import messages as m
from voiceserver.engine.forecast import OWN_FORECAST, USER_FORECAST, Forecast
from voiceserver.session import notices as n
from voiceserver.session.session import Session
from voiceserver.session.settings import SessionSettings, TurnSettings

RATE_HZ, FRAME_SAMPLES = 24_000, 2400
FRAME_S = FRAME_SAMPLES / RATE_HZ
WINDOW_S = VAD_WINDOW_SAMPLES / 16_000
SEMANTIC = TurnSettings(kind="semantic_vad")
Kind = TypeVar("Kind")

# What a sign means: whether there is voice, what is forecast of the user, and how surely.
SIGNS: dict[str, tuple[bool, str, float]] = {
    ".": (False, "silent", 0.95),
    "#": (True, "goes_on", 0.95),
    "-": (False, "goes_on", 0.9),  # a pause that is no end
    "y": (False, "yields", 0.9),
    "u": (False, "yields", 0.3),  # unsure
    "v": (False, "yields", 0.5),  # may be
    "Y": (True, "yields", 0.9),  # the end is foreseen while the last word still sounds
    "i": (True, "interrupts", 0.9),
    "d": (True, "interrupts", 0.4),  # doubtful
    "e": (True, "interrupts", 0.4),  # the same, and it is our own voice
    "l": (True, "interrupts", 0.6),  # likely
    "L": (False, "interrupts", 0.2),  # loud, but no voice to the VAD
    "E": (False, "interrupts", 0.2),  # the same, and it is our own voice
    "q": (False, "interrupts", 0.2),  # the same, but faint
    "b": (True, "backchannels", 0.9),
    "n": (True, "elsewhere", 0.9),
    "m": (False, "goes_on", 0.9),  # a pause in which we should say "mm-hm"
}


def activity(sign: str, end_sample: int) -> m.SpeechActivity:
    """One window with its forecast."""
    voiced, expected, probability = SIGNS[sign]
    other = "silent" if expected == "elsewhere" else "elsewhere"
    shares = {expected: probability, other: 1.0 - probability}
    user = tuple(shares.get(name, 0.0) for name in USER_FORECAST)
    own = tuple(
        float(name == ("backchannel" if sign == "m" else "silent")) for name in OWN_FORECAST
    )
    level, voice = (-22.0, 0.95) if voiced else (-75.0, 0.01)
    level = {"L": -22.0, "E": -22.0, "q": -50.0}.get(sign, level)
    echo = 0.9 if sign in "eE" else 0.0
    return m.SpeechActivity("s", end_sample, voice, level, echo, Forecast(user, own))


class Call:
    """A session whose engine forecasts, and everything the session wanted done."""

    def __init__(
        self, turns: TurnSettings = SEMANTIC, *, hears: bool = False, paced: bool = False
    ) -> None:
        numbers = count()
        settings = SessionSettings(turns=turns, instructions="")
        self.session = Session("s", settings, Limits(), lambda p: f"{p}{next(numbers)}")
        self.session.engine_ready(RATE_HZ, hears_audio=hears)
        if not paced:
            self.session.speaker.lead_s = inf
        self.due_s: list[float] = []  # reminders
        self.effects: list[n.Effect] = []
        self.judge: float | None = None  # says of every sound over ours; None: it cannot tell
        self.judge_is_slow = False  # it answers when told to
        self.said: list[m.AudioDelta] = []  # all sound that the engine has made
        self.engine_ended = ""  # the newest reply of which the engine has said its last word
        self.now_s = 0.0
        self.listened = 0

    # --- the user --------------------------------------------------------------------------------

    def hear(self, picture: str) -> None:
        """Windows, a sign each; see SIGNS."""
        for sign in picture:
            self.pass_time(WINDOW_S)
            self.session.audio(b"\0\0" * VAD_WINDOW_SAMPLES, self.now_s)
            self.listened += VAD_WINDOW_SAMPLES
            self.say(activity(sign, self.listened))

    def speak_turn(self, text: str = "tell me") -> None:
        """A whole turn that is read and answered."""
        self.hear("." * 10 + "#" * 20 + "y" * 6)
        if not self.session.ears.engine_hears:
            self.read(text)

    # --- the engine ------------------------------------------------------------------------------

    def say(self, message: m.FromEngine) -> None:
        self.session.engine_said(message, self.now_s)
        self.take()

    def read(self, text: str) -> None:
        """The newest question to the recogniser is answered."""
        self.say(m.Recognised("s", self.told(m.Recognise)[-1].request_id, text))

    def reply(self, frames: int, text: str = "one two three four five six ") -> m.Respond:
        """The newest reply sounds for so many frames more, a word each."""
        r = self.told(m.Respond)[-1]
        address = (r.session_id, r.epoch, r.response_id)
        begun = [a for a in self.said if a.response_id == r.response_id]
        if not begun:
            self.say(m.TextDelta(*address, text))
        words = text.split()
        for index in range(len(begun), len(begun) + frames):
            timed: tuple[m.WordTiming, ...] = ()
            if index < len(words):
                at = text.index(words[index])
                span = (index * FRAME_S, (index + 1) * FRAME_S)
                timed = (m.WordTiming(words[index], at, at + len(words[index]), *span),)
            audio = m.AudioDelta(*address, index.to_bytes(2, "little") * FRAME_SAMPLES, timed)
            self.said.append(audio)
            self.say(audio)
        return r

    def end_reply(self) -> None:
        """The engine has sent all of the newest reply."""
        r = self.told(m.Respond)[-1]
        address = (r.session_id, r.epoch, r.response_id)
        self.say(m.ResponseEnded(*address, m.EndReason.COMPLETED, 1, 6, 6))

    # --- what the session wanted -----------------------------------------------------------------

    def take(self) -> None:
        new = self.session.drain()
        self.effects += new
        self.due_s += [self.now_s + e.in_s for e in new if isinstance(e, n.Remind)]
        asked = [e.message for e in new if isinstance(e, n.TellEngine)]
        if not self.judge_is_slow and any(isinstance(message, m.JudgeFloor) for message in asked):
            self.judge_floor(self.judge)

    def judge_floor(self, probability: float | None) -> None:
        """The newest question about a sound over ours is answered."""
        self.say(m.FloorJudged("s", self.told(m.JudgeFloor)[-1].request_id, probability))

    def pass_time(self, seconds: float) -> None:
        """Reminders come when they are due, as timers bring them."""
        until_s = self.now_s + seconds
        while (due := min(self.due_s, default=inf)) <= until_s:
            self.due_s.remove(due)
            self.now_s = max(self.now_s, due)
            self.session.reminded(self.now_s)
            self.take()
        self.now_s = until_s

    def told(self, kind: type[Kind]) -> list[Kind]:
        told = [e.message for e in self.effects if isinstance(e, n.TellEngine)]
        return [message for message in told if isinstance(message, kind)]

    def noticed(self, kind: type[Kind]) -> list[Kind]:
        return [effect for effect in self.effects if isinstance(effect, kind)]

    def passed_on(self) -> list[bytes]:
        """The sound that the client got, cut into the engine's frames; the last may be shorter."""
        pcm16 = b"".join(audio.pcm16 for audio in self.noticed(n.ReplyAudio))
        size = 2 * FRAME_SAMPLES
        return [pcm16[begin : begin + size] for begin in range(0, len(pcm16), size)]
