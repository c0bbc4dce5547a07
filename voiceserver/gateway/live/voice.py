"""The assistant's sound and words on their way into the session's stream."""

from __future__ import annotations

import numpy as np

from voiceserver.audio.resample import StreamingResampler
from voiceserver.gateway.live.pacer import Pacer
from voiceserver.session import notices as n
from voiceserver.session.session import Session


class Voice:
    """Takes replies apart into sound with text, and lets the pacer have them."""

    def __init__(self, session: Session, pacer: Pacer) -> None:
        self._session = session
        self._pacer = pacer
        self._mouth: StreamingResampler | None = None  # of the reply being spoken
        self._text = ""  # waits for its sound
        self._spoke_before = False

    def tell(self, notice: n.Effect) -> None:
        """What is heard of a notice."""
        match notice:
            case n.ReplyCreated():
                self._mouth, self._text = None, ""
            case n.ReplyText(_, delta):
                self._text += delta
            case n.ReplyAudio(reply, pcm16):
                if self._mouth is None:
                    self._begin()
                assert self._mouth is not None, "a reply that is spoken has a mouth"
                samples = self._mouth.process(np.frombuffer(pcm16, "<i2"))
                if len(samples):
                    self._pacer.speak(reply.item_id, samples, self._take_text())
            case n.ReplyDone(reply) if reply.status == "cancelled":
                self._pacer.stop(reply.item_id)
                self._text = ""
            case n.ReplyDone(reply) if self._mouth is not None:
                self._pacer.speak(reply.item_id, self._mouth.flush(), self._take_text())
                self._mouth = None

    def hush(self) -> None:
        """Nothing that waits is heard any more."""
        self._pacer.stop()
        self._text = ""

    def _begin(self) -> None:
        rate_hz = self._session.speaker.voice_rate_hz
        self._mouth = StreamingResampler(rate_hz, self._pacer.rate_hz, "HQ")
        if self._spoke_before and self._text[:1].strip():
            self._text = f" {self._text}"  # fragments are strung together as they are
        self._spoke_before = True

    def _take_text(self) -> str:
        text, self._text = self._text, ""
        return text
