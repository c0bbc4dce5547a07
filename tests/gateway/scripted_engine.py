"""A peer that speaks the engine's wire protocol by rule, in a process of its own.

It hears by loudness (loud windows are speech), understands "turn N" whatever is said, and speaks
each reply as a tone of 0.4 s a word, paced as the real engine paces. It keeps a journal of what it
was told. It stands in for the engine only where the gateway itself is under test.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pickle
import selectors
import socket
import time
from dataclasses import dataclass, field

import numpy as np

from voiceserver.engine import messages as m
from voiceserver.engine import wire
from voiceserver.engine.forecast import OWN_FORECAST, USER_FORECAST, Forecast
from voiceserver.engine.tools import Function, ToolCall

RATE_HZ, FRAME_SAMPLES = 22050, 1792
FRAME_S = FRAME_SAMPLES / RATE_HZ
WORD_S = 0.4
RUN_AHEAD_S = 0.4
WINDOW_SAMPLES = 512
HIGH_HZ = 450  # with forecasts: a higher tone is a backchannel, doubtful at first
DOUBTFUL_WINDOWS, ENDING_WINDOWS = 8, 6


@dataclass
class Reply:
    respond: m.Respond
    words: list[m.WordTiming]
    text: str
    begun_s: float
    heard: bool  # else it is prepared in a pause, and may never be
    frames: int = 0

    @property
    def total_frames(self) -> int:
        return math.ceil(len(self.words) * WORD_S / FRAME_S)


@dataclass
class Slot:
    heard: bytearray = field(default_factory=bytearray)
    samples: int = 0
    utterances: int = 0
    loud: int = 0  # windows in a row
    quiet: int = 0
    reply: Reply | None = None


def reply_text(respond: m.Respond) -> str:
    """What is said: the question asked decides its length; each answer says what it has read."""
    last = respond.dialogue[-1].text if respond.dialogue else "nothing"
    if respond.dialogue and respond.dialogue[-1].start_sample is not None:
        last = "your voice"
    if "call" in last and respond.tools.functions:
        return "" if "silently" in last else "One moment please."
    if "fail" in last:
        return "!"
    if "flood" in last:
        return " ".join(f"word{i}" for i in range(1500)) + "."
    if "long" in last:
        return " ".join(f"word{i}" for i in range(60)) + "."
    return f"I heard {last}."


def forecast_of(user: dict[str, float], own: str) -> Forecast:
    return Forecast(
        tuple(user.get(name, 0.0) for name in USER_FORECAST),
        tuple(float(name == own) for name in OWN_FORECAST),
    )


def calls(respond: m.Respond) -> tuple[ToolCall, ...]:
    """Asked to call, the first function is called; asked to call all, each of them."""
    last = respond.dialogue[-1].text if respond.dialogue else ""
    if "call" not in last or respond.tools.choice == "none":
        return ()
    called = respond.tools.functions[: None if "call all" in last else 1]
    return tuple(
        ToolCall(f"call_{respond.response_id[-8:]}_{i}", function.name, arguments(function))
        for i, function in enumerate(called)
    )


def arguments(function: Function) -> str:
    """The first of what may be chosen, or a city."""
    chosen = function.parameters.get("properties", {}).get("destination")
    return json.dumps({"destination": chosen["enum"][0]} if chosen else {"city": "Rome"})


def timed_words(text: str) -> list[m.WordTiming]:
    words, at = [], 0
    for index, word in enumerate(text.split()):
        start = text.index(word, at)
        at = start + len(word)
        words.append(m.WordTiming(word, start, at, index * WORD_S, (index + 1) * WORD_S - 0.05))
    return words


class ScriptedEngine:
    def __init__(
        self,
        path: str,
        slots: int,
        journal: str | None,
        say: str,
        hears: bool,
        calls_tools: bool = True,
        forecasts: bool = False,
        images: bool = False,
    ) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)
        self._slots: dict[str, Slot] = {}
        self._most_slots = slots
        self._journal = journal
        self._say = say  # what the recogniser understands; %d counts a session's utterances
        self._hears = hears  # answers to the voice and not to its transcript
        self._calls_tools = calls_tools
        self._forecasts = forecasts
        self._images = images
        self._splitter = wire.Splitter()

    def run(self) -> None:
        sizes = (self._most_slots, RATE_HZ, FRAME_SAMPLES)
        able = (self._hears, self._calls_tools, not self._hears)  # the last: to speak verbatim
        self.send(m.EngineReady("scripted", *sizes, *able, reads_images=self._images))
        selector = selectors.DefaultSelector()
        selector.register(self._socket, selectors.EVENT_READ)
        while True:
            if selector.select(0.01):
                data = self._socket.recv(1 << 18)
                if not data:
                    return
                for message in self._splitter.feed(data):
                    self.take(message)
            for session_id, slot in self._slots.items():
                self.speak(session_id, slot)

    def send(self, message: m.FromEngine) -> None:
        self._socket.sendall(wire.encode(message))

    def note(self, message: m.ToEngine) -> None:
        if self._journal and not isinstance(message, m.UserAudio):
            with open(self._journal, "ab") as file:
                pickle.dump(message, file)

    def take(self, message: m.ToEngine) -> None:
        self.note(message)
        if isinstance(message, m.OpenSession):
            if len(self._slots) >= self._most_slots:
                self.send(m.SessionRefused(message.session_id, "all slots are taken"))
                return
            self._slots[message.session_id] = Slot()
            self.send(m.SessionOpened(message.session_id))
            return
        slot = self._slots.get(message.session_id)
        if slot is None:
            return
        match message:
            case m.CloseSession(session_id):
                del self._slots[session_id]
            case m.UserAudio(session_id, pcm16):
                self.listen(session_id, slot, pcm16)
            case m.Recognise():
                if "Exit" in self._say:
                    os._exit(3)
                slot.utterances += message.final
                text = self._say.replace("%d", str(slot.utterances))
                failed = text == "unreadable"
                self.send(m.Recognised(message.session_id, message.request_id, text, failed))
            case m.JudgeFloor():
                self.send(m.FloorJudged(message.session_id, message.request_id, None))
            case m.PredictTurnEnd():
                self.send(m.TurnEnd(message.session_id, message.request_id, 0.9))
            case m.Respond():
                text = message.verbatim or reply_text(message)
                begun_s, heard = time.monotonic(), not message.prepared
                slot.reply = Reply(message, timed_words(text), text, begun_s, heard)
                for piece in text.split(" ") if text else ():
                    lead = "" if piece == text.split(" ")[0] else " "
                    self.send(self.text_delta(message, lead + piece))
            case m.Released(response_id=response_id):
                if slot.reply is not None and slot.reply.respond.response_id == response_id:
                    slot.reply.heard = True
            case m.Cancel(epoch=epoch):
                if slot.reply is not None and slot.reply.respond.epoch <= epoch:
                    slot.reply = None

    def text_delta(self, r: m.Respond, text: str) -> m.TextDelta:
        return m.TextDelta(r.session_id, r.epoch, r.response_id, text)

    def listen(self, session_id: str, slot: Slot, pcm16: bytes) -> None:
        slot.heard += pcm16
        while len(slot.heard) >= 2 * WINDOW_SAMPLES:
            window = np.frombuffer(bytes(slot.heard[: 2 * WINDOW_SAMPLES]), np.int16)
            del slot.heard[: 2 * WINDOW_SAMPLES]
            slot.samples += WINDOW_SAMPLES
            rms = float(np.sqrt(np.mean(np.square(window / 32768.0)))) + 1e-6
            level = max(-120.0, 20 * math.log10(rms))
            probability = 0.95 if level > -40 else 0.02
            forecast = self.forecast(slot, window) if self._forecasts else None
            activity = (session_id, slot.samples, probability, level, 0.0, forecast)
            self.send(m.SpeechActivity(*activity))

    def forecast(self, slot: Slot, window: np.ndarray) -> Forecast:
        """By loudness and pitch: a low tone is a turn or an interruption."""
        speaks = slot.reply is not None and slot.reply.heard
        if np.abs(window).max() < 1000:
            slot.loud, slot.quiet = 0, slot.quiet + 1
            over = slot.quiet >= ENDING_WINDOWS
            pause = "silent" if speaks else "yields" if over else "goes_on"
            return forecast_of({pause: 1.0}, "start" if over else "backchannel")
        slot.loud, slot.quiet = slot.loud + 1, 0
        pitch_hz = np.count_nonzero(np.diff(np.sign(window)) > 0) / (WINDOW_SAMPLES / 16_000)
        if pitch_hz < HIGH_HZ:
            return forecast_of({"interrupts" if speaks else "goes_on": 1.0}, "go_on")
        doubt = 0.4 if slot.loud <= DOUBTFUL_WINDOWS else 0.0
        return forecast_of({"interrupts": doubt, "backchannels": 1.0 - doubt}, "go_on")

    def speak(self, session_id: str, slot: Slot) -> None:
        reply = slot.reply
        if reply is None:
            return
        r = reply.respond
        ended = (len(r.dialogue) * 7, len(reply.words))
        if reply.text == "!":
            slot.reply = None
            self.send(self.ended(r, m.EndReason.FAILED, *ended, 0, "asked to fail"))
            return
        heard_s = time.monotonic() - reply.begun_s
        while r.speak and reply.frames < reply.total_frames:
            if len(reply.words) < 1000 and reply.frames * FRAME_S > heard_s + RUN_AHEAD_S:
                return
            self.frame(r, reply)
        slot.reply = None
        reason = m.EndReason.COMPLETED
        if len(reply.words) > r.max_tokens:
            reason = m.EndReason.MAX_TOKENS
        self.send(self.ended(r, reason, *ended, reply.frames))

    def frame(self, r: m.Respond, reply: Reply) -> None:
        start_s, end_s = reply.frames * FRAME_S, (reply.frames + 1) * FRAME_S
        words = tuple(w for w in reply.words if start_s <= w.start_s < end_s)
        t = np.arange(FRAME_SAMPLES) / RATE_HZ
        tone = (8000 * np.sin(2 * np.pi * 220 * t)).astype("<i2").tobytes()
        reply.frames += 1
        self.send(m.AudioDelta(r.session_id, r.epoch, r.response_id, tone, words))

    def ended(
        self, r: m.Respond, reason: m.EndReason, prompt: int, text: int, frames: int, why: str = ""
    ) -> m.ResponseEnded:
        address = (r.session_id, r.epoch, r.response_id)
        return m.ResponseEnded(*address, reason, prompt, text, frames, why, calls=calls(r))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--slots", type=int, default=5)
    parser.add_argument("--journal")
    parser.add_argument("--say", default="turn %d")
    parser.add_argument("--hears", action="store_true")
    parser.add_argument("--no-tools", action="store_true")
    parser.add_argument("--forecasts", action="store_true")
    parser.add_argument("--images", action="store_true")
    given = parser.parse_args()
    senses = (given.hears, not given.no_tools, given.forecasts, given.images)
    ScriptedEngine(given.socket, given.slots, given.journal, given.say, *senses).run()
