"""The listening half of a session: counts the user's audio, finds turns in it, has them read.

Tells the session what it noticed as `EarEvent`s; what follows from them is the session's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.config import Limits
from voiceserver.engine.messages import (
    ChatMessage,
    FloorJudged,
    Recognised,
    SpeechActivity,
    ToEngine,
    TurnBegan,
    TurnEnd,
    UserAudio,
)
from voiceserver.errors import ClientError
from voiceserver.session.listening.events import (
    Doubt,
    DoubtOver,
    EarEvent,
    HeardToPause,
    InterimText,
    JudgedUnfinished,
    Listened,
    ReadInPause,
    SpeechBegan,
    SpeechResumed,
    TurnOver,
    TurnRead,
)
from voiceserver.session.listening.hearing import EARLY_SAMPLES, SHOWN_SAMPLES, Hearing
from voiceserver.session.listening.input_buffer import InputBuffer
from voiceserver.session.listening.questions import Questions
from voiceserver.session.settings import TurnSettings
from voiceserver.session.timing import AudioClock, to_samples
from voiceserver.session.turns import events as turns
from voiceserver.session.turns.forecast_detector import ForecastDetector

_SAMPLE_BYTES = 2
_WORTH_HOLDING_SAMPLES = to_samples(1200)  # of a pause; then a prepared answer costs too much


class Ears:
    """One session's input audio. `tell` hands messages to the engine."""

    def __init__(
        self,
        session_id: str,
        settings: TurnSettings | None,
        limits: Limits,
        new_id: Callable[[str], str],
        tell: Callable[[ToEngine], None],
    ) -> None:
        self.clock = AudioClock()
        self.show_interim = False
        self.engine_hears = False  # it answers to the audio itself
        self._session_id = session_id
        self._limits = limits
        self._new_id = new_id
        self._tell = tell
        self._questions = Questions(session_id, tell)
        self._detector = ForecastDetector(settings) if settings else None
        self._current: Hearing | None = None  # the turn being spoken
        self._buffer = InputBuffer()
        self._listened_to = 0  # end of the newest VAD window
        self._connected = True

    @property
    def heard_from_sample(self) -> int:
        """Where on our clock the present engine's hearing begins."""
        return self._questions.engine_zero

    @property
    def settings(self) -> TurnSettings | None:
        return self._detector.settings if self._detector else None

    # --- from the client ---------------------------------------------------------------------

    def audio(self, pcm16: bytes, now_s: float) -> None:
        """More of the user's audio at the listening rate."""
        samples = len(pcm16) // _SAMPLE_BYTES
        waiting = self.clock.received_samples + samples - self._listened_to
        if self._connected and waiting > self._limits.backlog_s * LISTEN_RATE_HZ:
            raise ClientError(
                f"Audio is coming faster than it can be listened to: more than "
                f"{self._limits.backlog_s:g} s are waiting, so this piece was dropped.",
                code="input_audio_buffer_overflow",
                param="audio",
            )
        self.clock.received(samples, now_s)
        if self._connected:
            self._tell(UserAudio(self._session_id, pcm16))
        else:
            self._listened_to = self.clock.received_samples

    def commit(self) -> list[EarEvent]:
        """The client says its turn is over."""
        now = self.clock.received_samples
        if self._current is not None:
            hearing, self._current = self._current, None
            hearing.end(now, now, self._questions.reading(hearing))
        else:
            hearing = self._committed_buffer(now)
        self._start_over(now)
        return [TurnOver(hearing, by_voice=False), *self._if_read(hearing)]

    def _committed_buffer(self, now: int) -> Hearing:
        committed = self._buffer.committed(now, self._listened_to)
        start, end = committed.start_sample, committed.end_sample
        hearing = Hearing(self._new_id("item"), start, start, self._limits.utterance_s)
        if committed.spoken:
            hearing.end(end, end, self._questions.reading(hearing))
        else:
            hearing.end_unspoken(end)
        return hearing

    def clear(self) -> None:
        """The client throws its audio away, and a turn under way with it."""
        self._forget_current()
        self._start_over(self.clock.received_samples)

    def configure(self, settings: TurnSettings | None) -> None:
        """Change how turns are found; a turn under way stays in the buffer."""
        if settings is None or self._detector is None:
            if self._current is not None:
                self._buffer.start_sample = self._current.start_sample
            self._forget_current()
            start = self.clock.received_samples
            self._detector = ForecastDetector(settings, start) if settings else None
        else:
            self._detector.settings = settings

    @property
    def current_item_id(self) -> str | None:
        """The item that the turn being spoken will be."""
        return None if self._current is None else self._current.item_id

    def announce_turn(self, dialogue: tuple[ChatMessage, ...], start_sample: int | None) -> None:
        """Tell an engine that hears of the turn being spoken, and what was said before it.

        `start_sample` is where it begins on the engine's clock, if earlier than it began for us.
        """
        if not self.engine_hears or self._current is None:
            return
        if start_sample is None:
            start_sample = max(0, self._current.start_sample - self._questions.engine_zero)
        self._tell(TurnBegan(self._session_id, start_sample, dialogue))

    # --- from the engine ---------------------------------------------------------------------

    def windows(self, window: SpeechActivity, *, assistant_audible: bool) -> list[EarEvent]:
        """The engine has listened to one more window."""
        window = replace(window, end_sample=window.end_sample + self._questions.engine_zero)
        end = window.end_sample
        self._listened_to = max(self._listened_to, end)
        self._buffer.hear(window)
        if self._detector is None or end <= self._buffer.start_sample:
            return []  # what was committed or cleared cannot begin a turn any more
        events: list[EarEvent] = []
        for event in self._detector.hear(window, assistant_audible=assistant_audible):
            events += self._turn_event(event)
        if (hearing := self._current) is not None:
            hearing.goes_on(end, self._questions.reading(hearing))
            if self.show_interim or not self.engine_hears:
                patience = SHOWN_SAMPLES if self.engine_hears else EARLY_SAMPLES
                hearing.look(end, patience, self._questions.reading(hearing))
        return events

    def recognised(self, answer: Recognised, ours: str) -> list[EarEvent]:
        """The recogniser has answered, while the assistant says `ours`."""
        if self._questions.sound_told(answer.request_id):
            text = None if answer.failed else answer.text
            return self._from_detector(lambda d: d.told(text, ours, self._listened_to))
        hearing = self._questions.read(answer.request_id)
        if hearing is None:
            return []
        was_read = hearing.text is not None
        ask = self._questions.reading(hearing)
        interim = hearing.answered(answer.request_id, answer.text, answer.failed, ask)
        if interim is not None and not hearing.over:
            return [InterimText(hearing, interim)]
        if was_read or hearing.text is None:
            return []
        return self._if_read(hearing) if hearing.over else [ReadInPause(hearing)]

    def floor_judged(self, answer: FloorJudged) -> list[EarEvent]:
        """The judge of sounds over the assistant's has answered."""
        if not self._questions.sound_told(answer.request_id):
            return []
        probability = answer.probability
        return self._from_detector(lambda d: d.floor_judged(probability, self._listened_to))

    def _from_detector(
        self, answered: Callable[[ForecastDetector], list[turns.TurnEvent]]
    ) -> list[EarEvent]:
        """What follows from an answer to the detector."""
        noticed = answered(self._detector) if self._detector else []
        return [event for turn_event in noticed for event in self._turn_event(turn_event)]

    def judged(self, answer: TurnEnd) -> list[EarEvent]:
        """The model of turn ends has answered."""
        asked_end = self._questions.judged(answer.request_id)
        if asked_end is None or self._detector is None:
            return []
        events = self._from_detector(
            lambda d: d.judged(asked_end, answer.probability, self._listened_to)
        )
        hearing = self._current
        if not events and hearing is not None:
            pause_samples = self._listened_to - hearing.spoke_until_sample
            if pause_samples >= _WORTH_HOLDING_SAMPLES:
                events.append(JudgedUnfinished(hearing))
        return events

    def words_judged(self, complete: float) -> None:
        """How likely what was read in the present pause is all that the user wanted to say."""
        read = self._current is not None and self._current.text is not None
        if self._detector is not None and read:
            self._detector.words_judged(complete)

    def engine_lost(self) -> list[Hearing]:
        """The engine died; return the ended turns that will never be read."""
        lost = self._questions.forget_all()
        self._connected = False
        self._forget_current()
        self._start_over(self.clock.received_samples)
        return lost

    def engine_back(self) -> None:
        """A new engine listens; its sample 0 is our next one."""
        self._connected = True
        self._questions.engine_zero = self._listened_to = self.clock.received_samples
        self._start_over(self._listened_to)

    # --- inside ------------------------------------------------------------------------------

    def _turn_event(self, event: turns.TurnEvent) -> list[EarEvent]:
        match event:
            case turns.Doubted():
                return [Doubt()]
            case turns.AskWords(start_sample, end_sample):
                self._questions.words(start_sample, end_sample)
            case turns.AskFloor(start_sample, end_sample):
                self._questions.floor(start_sample, end_sample)
            case turns.Dismissed():
                return [DoubtOver()]
            case turns.Listened():
                return [Listened()]
            case turns.Began(onset_sample, start_sample):
                item_id = self._new_id("item")
                piece_s = self._limits.utterance_s
                self._current = Hearing(item_id, start_sample, onset_sample, piece_s)
                return [SpeechBegan(self._current)]
            case turns.AskTurnEnd(end_sample):
                first = self._current.start_sample if self._current else end_sample
                self._questions.judge(first, end_sample)
        hearing = self._current
        if hearing is None:
            return []
        match event:
            case turns.Paused(spoke_until, end_sample):
                hearing.spoke_until_sample = spoke_until
                if self.engine_hears:
                    return [HeardToPause(hearing, end_sample)]
                hearing.want(end_sample, self._questions.reading(hearing))
            case turns.Resumed():
                hearing.resumed()
                return [SpeechResumed(hearing)]
            case turns.Ended(spoke_until, end_sample):
                self._current = None
                hearing.end(spoke_until, end_sample, self._questions.reading(hearing))
                self._buffer.restart(end_sample)
                return [TurnOver(hearing, by_voice=True), *self._if_read(hearing)]
        return []

    def _if_read(self, hearing: Hearing) -> list[EarEvent]:
        """The event that a turn's text is known, if it is."""
        if hearing.text is None:
            return []
        self._questions.forget(hearing)
        return [TurnRead(hearing)]

    def _forget_current(self) -> None:
        """Drop the turn under way and its open questions."""
        gone, self._current = self._current, None
        self._questions.forget(gone)

    def _start_over(self, sample: int) -> None:
        """Everything before this sample is past."""
        self._buffer.restart(sample)
        if self._detector is not None:
            self._detector.restart(sample)
