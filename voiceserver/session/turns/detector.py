"""When the user's turn begins, pauses, goes on and ends, judged from one VAD window after another.

Knows nothing of texts or replies. All positions are samples of the session's audio clock.
"""

from __future__ import annotations

from voiceserver.clock import LISTEN_RATE_HZ, VAD_WINDOW_SAMPLES
from voiceserver.engine.messages import SpeechActivity
from voiceserver.session.settings import TurnSettings
from voiceserver.session.timing import to_samples
from voiceserver.session.turns.events import AskTurnEnd, Began, Ended, Paused, Resumed, TurnEvent

ONSET_WINDOWS = 3  # 96 ms of voice begin a turn when nobody else speaks
BARGE_IN_WINDOWS = 5  # 160 ms of voice interrupt the assistant; a cough is shorter
CLEAR_VOICE, CLEAR_DB, CLEAR_WEIGHT = 0.9, 6.0, 1.25  # of a clear and loud voice 128 ms do
RESUME_WINDOWS = 2  # fewer voiced windows inside a pause are a click, not speech
HYSTERESIS = 0.15  # speech under way counts as speech down to this much under the threshold
HANGOVER_SAMPLES = VAD_WINDOW_SAMPLES  # the voice is over a window before its probability falls
LIKELY_END_SAMPLES = to_samples(32)  # a pause worth reading what was said so far
# Smart-turn was trained to see 200 ms after the last word. Asked sooner it competes with
# reading the turn, and a sooner decision would only wait for the answer's first sound.
ASK_SAMPLES = to_samples(192)
ASK_AGAIN_SAMPLES = to_samples(160)
ECHO_LIKENESS = 0.5  # above: the window is our own voice coming back
# How loud an interruption must be. Of a user not heard yet only our own voice is known, about
# -18 dBFS in its loud windows; a leak of -20 dB must stay below. Later the user's own level counts.
FIRST_INTERRUPTION_DBFS = -36.0
UNDER_USUAL_DB = 12.0
FAINTEST_INTERRUPTION_DBFS, LOUDEST_INTERRUPTION_DBFS = -50.0, -30.0
LEVEL_MEMORY = 0.05  # weight of a new window in the user's usual level
LONGEST_TURN_S = 300.0  # then the turn is over, whoever goes on


class TurnDetector:
    """Silence -> speech -> pause -> speech or end, with hysteresis at every step."""

    def __init__(self, settings: TurnSettings, from_sample: int = 0) -> None:
        self.settings = settings
        self._usual_dbfs: float | None = None  # the user's level, from turns in silence
        self._rest(from_sample)

    def _rest(self, from_sample: int) -> None:
        """Back to waiting for speech; audio before `from_sample` belongs to the past."""
        self._free_from = from_sample
        self._speaking = False
        self._in_silence = False  # the turn under way began while the assistant was silent
        self._evidence = 0.0  # voiced windows, less unvoiced ones
        self._onset_sample = 0
        self._start_sample = 0
        self._spoke_until = 0
        self._paused = False
        self._voiced_in_pause = 0
        self._asked_at: int | None = None  # end of the audio of this pause's newest question
        self._answer_due = False  # that question is still open

    @property
    def speaking(self) -> bool:
        return self._speaking

    def restart(self, from_sample: int) -> None:
        """Forget the turn under way, without an event."""
        self._rest(from_sample)

    def hear(self, window: SpeechActivity, *, assistant_audible: bool) -> list[TurnEvent]:
        """Take the next window."""
        if self._speaking:
            return self._hear_speech(window)
        return self._hear_silence(window, assistant_audible)

    def _hear_silence(self, window: SpeechActivity, assistant_audible: bool) -> list[TurnEvent]:
        weight = 1.0 if window.probability >= self.settings.threshold else 0.0
        if assistant_audible:
            weight *= self._interrupting_weight(window)
        elif window.echo_likeness >= ECHO_LIKENESS:
            weight = 0.0  # the end of our own reply, later in the room than we thought
        if weight == 0.0:
            self._evidence = max(0.0, self._evidence - 1.0)
            return []
        if self._evidence == 0.0:
            self._onset_sample = window.end_sample - VAD_WINDOW_SAMPLES
        self._evidence += weight
        if self._evidence < (BARGE_IN_WINDOWS if assistant_audible else ONSET_WINDOWS):
            return []
        return [self._begin(window.end_sample, in_silence=not assistant_audible)]

    def _begin(self, end_sample: int, *, in_silence: bool) -> Began:
        self._speaking, self._in_silence = True, in_silence
        self._spoke_until = end_sample - HANGOVER_SAMPLES
        padded = self._onset_sample - to_samples(self.settings.prefix_padding_ms)
        self._start_sample = max(padded, self._free_from, 0)
        return Began(max(self._onset_sample, 0), self._start_sample)

    def _hear_speech(self, window: SpeechActivity) -> list[TurnEvent]:
        events: list[TurnEvent] = []
        if window.probability >= max(0.05, self.settings.threshold - HYSTERESIS):
            events += self._voiced(window.end_sample)
            self._learn_level(window)
        else:
            self._voiced_in_pause = 0
            events += self._unvoiced(window.end_sample)
        too_long = window.end_sample - self._start_sample >= LONGEST_TURN_S * LISTEN_RATE_HZ
        if too_long and self._speaking:
            events.append(self._end(window.end_sample))
        return events

    def _voiced(self, end_sample: int) -> list[TurnEvent]:
        if not self._paused:
            self._spoke_until = end_sample - HANGOVER_SAMPLES
            return []
        self._voiced_in_pause += 1
        if self._voiced_in_pause < RESUME_WINDOWS:
            return self._maybe_over(end_sample)
        self._paused, self._voiced_in_pause = False, 0
        self._asked_at, self._answer_due = None, False
        self._spoke_until = end_sample - HANGOVER_SAMPLES
        return [Resumed()]

    def _unvoiced(self, end_sample: int) -> list[TurnEvent]:
        events: list[TurnEvent] = []
        if not self._paused and end_sample - self._spoke_until >= self._likely_end_samples():
            self._paused = True
            events.append(Paused(self._spoke_until, end_sample))
        return events + self._maybe_over(end_sample)

    def _likely_end_samples(self) -> int:
        if self.settings.kind == "semantic_vad":
            return LIKELY_END_SAMPLES
        return min(LIKELY_END_SAMPLES, to_samples(self.settings.silence_duration_ms))

    def _maybe_over(self, end_sample: int) -> list[TurnEvent]:
        """End the turn when the pause is long enough, or ask whether it is complete."""
        if not self._paused:
            return []
        pause_samples = end_sample - self._spoke_until
        if self.settings.kind == "server_vad":
            over = pause_samples >= to_samples(self.settings.silence_duration_ms)
            return [self._end(end_sample)] if over else []
        if pause_samples >= to_samples(self.settings.max_wait_ms):
            return [self._end(end_sample)]
        first = self._asked_at is None and pause_samples >= ASK_SAMPLES
        again = self._asked_at is not None and end_sample - self._asked_at >= ASK_AGAIN_SAMPLES
        if self._answer_due or not (first or again):
            return []
        self._asked_at, self._answer_due = end_sample, True
        return [AskTurnEnd(end_sample)]

    def judged(self, asked_end_sample: int, probability: float, now_sample: int) -> list[TurnEvent]:
        """Take the answer to an AskTurnEnd; an answer about an earlier pause says nothing."""
        if self._asked_at != asked_end_sample:
            return []
        self._answer_due = False
        return [self._end(now_sample)] if probability >= self.settings.complete_at else []

    def _end(self, end_sample: int) -> Ended:
        ended = Ended(self._spoke_until, end_sample)
        self._rest(end_sample)
        return ended

    def _learn_level(self, window: SpeechActivity) -> None:
        if not self._in_silence or window.probability < self.settings.threshold:
            return
        usual = self._usual_dbfs if self._usual_dbfs is not None else window.level_dbfs
        self._usual_dbfs = usual + LEVEL_MEMORY * (window.level_dbfs - usual)

    def _faintest_dbfs(self) -> float:
        """So loud the user's own voice is at least while the assistant's is in the room."""
        if self._usual_dbfs is None:
            return FIRST_INTERRUPTION_DBFS
        wanted_dbfs = self._usual_dbfs - UNDER_USUAL_DB
        return max(FAINTEST_INTERRUPTION_DBFS, min(wanted_dbfs, LOUDEST_INTERRUPTION_DBFS))

    def _interrupting_weight(self, window: SpeechActivity) -> float:
        """How much this window may be the user's own voice while the assistant's is in the room."""
        least_dbfs = self._faintest_dbfs()
        if window.echo_likeness >= ECHO_LIKENESS or window.level_dbfs < least_dbfs:
            return 0.0
        clear = window.probability >= CLEAR_VOICE and window.level_dbfs >= least_dbfs + CLEAR_DB
        return CLEAR_WEIGHT if clear else 1.0
