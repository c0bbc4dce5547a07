"""The assistant's sound and words on their way into the session's stream."""

from __future__ import annotations

import numpy as np

from voiceserver.audio.resample import StreamingResampler
from voiceserver.gateway.live.pacer import Pacer, Samples
from voiceserver.session import notices as n
from voiceserver.session.session import Session

STREAM = "stream"  # stands for an item where a model speaks always, and in no replies
MOST_LAG_S = 1.0  # of such a model; more of it is a stall that has to be caught up with


class Voice:
    """Takes replies apart into sound with text, and lets the pacer have them."""

    def __init__(self, session: Session, pacer: Pacer) -> None:
        self._session = session
        self._pacer = pacer
        self._mouth: StreamingResampler | None = None  # of the reply being spoken, or the stream
        self._text = ""  # waits for its sound
        self._in_reply = False  # a word of this one has been said
        self._spoke_before = False  # a word of any

    def tell(self, notice: n.Effect) -> None:
        """What is heard of a notice."""
        match notice:
            case n.ReplyCreated():
                self._mouth, self._text, self._in_reply = None, "", False
            case n.ReplyText(_, delta):
                self._text += delta
            case n.ReplyAudio(reply, pcm16):
                samples = self._at_stream_rate(pcm16)
                if len(samples):
                    self._pacer.speak(reply.item_id, samples, self._take_text())
            case n.StreamAudio(pcm16):
                if self._pacer.waiting_s > MOST_LAG_S:
                    self._pacer.stop()
                self._pacer.speak(STREAM, self._at_stream_rate(pcm16))
            case n.ReplyDone(reply) if reply.status == "cancelled":
                self._pacer.stop(reply.item_id)
                self._text = ""
            case n.ReplyDone(reply) if self._mouth is not None:
                self._pacer.speak(reply.item_id, self._mouth.flush(), self._take_text())
                self._mouth = None

    def _at_stream_rate(self, pcm16: bytes) -> Samples:
        if self._mouth is None:
            rate_hz = self._session.speaker.voice_rate_hz
            self._mouth = StreamingResampler(rate_hz, self._pacer.rate_hz)
        return self._mouth.process(np.frombuffer(pcm16, "<i2"))

    def hush(self) -> None:
        """Nothing that waits is heard any more."""
        self._pacer.stop()
        self._text = ""

    def _take_text(self) -> str:
        """The text that begins with the next sound; fragments are strung together as they are."""
        text, self._text = self._text, ""
        if not text:
            return ""
        apart = self._spoke_before and not self._in_reply and not text[0].isspace()
        self._in_reply = self._spoke_before = True
        return f" {text}" if apart else text
