"""The voice of a model that speaks always, silence included, cut into replies.

Protocols with turns want a reply to begin and to end: it begins with the first piece that is no
silence and ends after a while of silence. A protocol without turns gets every piece as it comes.
"""

from __future__ import annotations

import math
import sys
from array import array
from collections.abc import Callable
from dataclasses import replace
from operator import mul

from voiceserver.engine.messages import AudioDelta, EndReason, ResponseEnded
from voiceserver.session.conversation import Conversation
from voiceserver.session.notices import Effect, Failure, StreamAudio
from voiceserver.session.reply import Reply
from voiceserver.session.settings import ReplyOptions, SessionSettings
from voiceserver.session.speaker import Speaker
from voiceserver.session.timing import TurnMarks

ONSET_DBFS = -45.0  # a piece this loud begins a reply
SILENT_DBFS = -50.0  # a piece fainter than this is silence
HANGOVER_S = 0.8  # of silence: longer than the pauses within a turn usually are
_FULL_SCALE = 32768.0
_SAMPLE_BYTES = 2


def level_dbfs(pcm16: bytes) -> float:
    """RMS of mono int16 little-endian; silence is -120."""
    samples = array("h")
    samples.frombytes(pcm16)
    if sys.byteorder == "big":
        samples.byteswap()
    power = sum(map(mul, samples, samples)) / max(1, len(samples))
    return max(-120.0, 10.0 * math.log10(max(power, 1e-12) / _FULL_SCALE**2))


def fitted(settings: SessionSettings) -> SessionSettings:
    """The settings, but for what such a model decides itself: when to answer, to yield."""
    if settings.turns is None:
        return settings
    turns = replace(
        settings.turns, create_response=False, interrupt_response=False, idle_timeout_ms=None
    )
    return replace(settings, turns=turns)


class ContinuousVoice:
    """One session's, as long as its engine is one that speaks always."""

    def __init__(
        self,
        session_id: str,
        speaker: Speaker,
        conversation: Conversation,
        put: Callable[[Effect], None],
    ) -> None:
        self.passes_stream = False  # every piece goes to the client as it is, there are no replies
        self._session_id = session_id
        self._speaker = speaker
        self._conversation = conversation
        self._put = put
        self._reply: Reply | None = None
        self._pieces = 0  # of the reply
        self._silent_s = HANGOVER_S  # for how long it has been silent
        self._cut = False  # the client has ended a reply: what is left of it is not heard

    def said(self, message: AudioDelta, options: ReplyOptions, now_s: float) -> bool:
        """The next piece; True if a reply has ended with it."""
        if self.passes_stream:
            self._put(StreamAudio(message.pcm16))
            return False
        if not options.speak:
            return False  # it has no words that could be written
        level = level_dbfs(message.pcm16)
        self._count_silence(level, message)
        if self._reply is not None and self._speaker.active is not self._reply:
            self._reply, self._cut = None, True
        if self._reply is None:
            if level < ONSET_DBFS or self._cut:
                return False
            self._begin(options, now_s)
        self._pass_on(message, now_s)
        if self._silent_s < HANGOVER_S:
            return False
        self._end(EndReason.COMPLETED, "", now_s)
        return True

    def failed(self, message: ResponseEnded, now_s: float) -> None:
        """The model stumbled and begins again."""
        if self._reply is not None and self._speaker.active is self._reply:
            self._end(EndReason.FAILED, message.message, now_s)
        else:
            self._put(Failure(message.message, code="reply_failed"))
        self.forget()

    def forget(self) -> None:
        """The engine has gone, and what it was saying with it."""
        self._reply, self._cut, self._silent_s = None, False, HANGOVER_S

    def _count_silence(self, level: float, message: AudioDelta) -> None:
        if level >= SILENT_DBFS:
            self._silent_s = 0.0
            return
        self._silent_s += len(message.pcm16) / (_SAMPLE_BYTES * self._rate_hz)
        if self._silent_s >= HANGOVER_S:
            self._cut = False  # what comes now is something new

    @property
    def _rate_hz(self) -> int:
        return self._speaker.delivery.voice_rate_hz

    def _begin(self, options: ReplyOptions, now_s: float) -> None:
        marks = TurnMarks(0, now_s, end_of_turn_s=now_s)
        self._reply = self._speaker.join(options, self._conversation.last_id or "", marks)
        self._pieces = 0

    def _pass_on(self, message: AudioDelta, now_s: float) -> None:
        reply = self._reply
        assert reply is not None, "a reply is under way"
        self._pieces += 1
        piece = AudioDelta(self._session_id, reply.epoch, reply.response_id, message.pcm16, ())
        self._speaker.engine_said(piece, now_s)

    def _end(self, reason: EndReason, message: str, now_s: float) -> None:
        reply, self._reply = self._reply, None
        assert reply is not None, "a reply is under way"
        ended = ResponseEnded(
            self._session_id,
            reply.epoch,
            reply.response_id,
            reason,
            prompt_tokens=0,
            text_tokens=0,
            audio_frames=self._pieces,
            message=message,
        )
        self._speaker.engine_said(ended, now_s)
