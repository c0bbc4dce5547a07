"""What every telephone protocol does with its session: sound both ways, keys, being interrupted.

The telephone network plays what it is sent; so it is the server that stops the sound when the
caller speaks or presses a key, and keeps count of what was played.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from voiceserver.audio.resample import StreamingResampler
from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.gateway.line import new_id
from voiceserver.gateway.phone.keypad import Keypad
from voiceserver.session import notices as n
from voiceserver.session.items import Item, Part
from voiceserver.session.session import Session
from voiceserver.session.settings import SessionSettings, TurnSettings

# A caller hears whether we are listening only by our answer: the model of turn ends decides.
CALL_SETTINGS = SessionSettings(turns=TurnSettings(kind="semantic_vad"))


class Coding(Protocol):
    """How a telephone writes samples."""

    @property
    def rate_hz(self) -> int: ...

    def to_samples(self, data: bytes) -> NDArray[np.int16]: ...

    def to_bytes(self, samples: NDArray[np.int16]) -> bytes: ...


class Phone(Protocol):
    """The transport's half: how sound gets to the caller, and how it is stopped."""

    def play(self, reply: n.ReplyInfo, data: bytes) -> None:
        """Queue more of a reply's sound."""

    def hush(self) -> None:
        """Let nothing more be heard of what was queued."""

    def now_s(self) -> float: ...

    def flush(self) -> None:
        """Carry out what the session wants done."""


class Telephone:
    """One caller's sound and keys, towards and from the session."""

    def __init__(self, session: Session, coding: Coding, phone: Phone) -> None:
        self.coding = coding
        self.keypad = Keypad(self._entered)
        self._session = session
        self._phone = phone
        # LQ: its shorter filter lets the end of speech through earlier.
        self._ear = StreamingResampler(coding.rate_hz, LISTEN_RATE_HZ, "LQ")
        self._mouth: StreamingResampler | None = None  # of the reply being spoken

    # --- from the caller ---------------------------------------------------------------------

    def hear(self, data: bytes) -> None:
        """More of the caller's voice; raises ClientError."""
        pcm16 = self._ear.process(self.coding.to_samples(data)).tobytes()
        self._session.audio(pcm16, self._phone.now_s())

    def press(self, key: str) -> None:
        """The caller pressed a key: the assistant stops speaking and waits for the others."""
        self._be_silent()
        self.keypad.press(key)

    def _be_silent(self) -> None:
        now_s = self._phone.now_s()
        self._session.speaker.hush(now_s)
        while self._session.speaker.active is not None:  # the end of one may begin another
            self._session.cancel_response(None, now_s)
        self._phone.hush()

    def _entered(self, keys: str) -> None:
        """An entry is complete: it is the caller's turn, like something typed."""
        self._be_silent()
        text = f"I pressed {keys} on my telephone."
        item = Item(new_id("item"), role="user", parts=(Part("input_text", text),))
        self._session.create_item(item, None)
        options = self._session.settings.reply_options()
        self._session.create_response(options, self._phone.now_s())
        self._phone.flush()

    # --- to the caller -----------------------------------------------------------------------

    def tell(self, notice: n.Effect) -> None:
        """What the caller gets to hear of a notice."""
        match notice:
            case n.ReplyCreated():
                self._mouth = None
            case n.ReplyAudio(reply, pcm16):
                if self._mouth is None:
                    rate_hz = self._session.speaker.voice_rate_hz
                    self._mouth = StreamingResampler(rate_hz, self.coding.rate_hz, "HQ")
                self._play(reply, self._mouth.process(np.frombuffer(pcm16, "<i2")))
            case n.ReplyDone(reply):
                if reply.status == "cancelled":
                    self._phone.hush()
                elif self._mouth is not None:
                    self._play(reply, self._mouth.flush())
                self._mouth = None
            case n.SpeechStarted():
                self._phone.hush()

    def _play(self, reply: n.ReplyInfo, samples: NDArray[np.int16]) -> None:
        if len(samples):
            self._phone.play(reply, self.coding.to_bytes(samples))
