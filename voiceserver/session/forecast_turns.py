"""Turns as the duplex policy foresees them, window by window.

While the assistant speaks, a sound first raises doubt; within about a second its forecast or its
words say that it is an interruption, or nothing. A turn of a `semantic_vad` session ends when the
policy is sure that the user yields. Windows without a forecast are judged by voice activity and
smart-turn.
"""

from __future__ import annotations

from voiceserver.clock import VAD_WINDOW_SAMPLES
from voiceserver.engine.forecast import OWN_FORECAST, USER_FORECAST, Forecast
from voiceserver.engine.messages import SpeechActivity
from voiceserver.session.floor import takes_floor
from voiceserver.session.settings import TurnSettings
from voiceserver.session.timing import to_samples
from voiceserver.session.turn_events import (
    AskWords,
    Began,
    Dismissed,
    Doubted,
    Listened,
    TurnEvent,
)
from voiceserver.session.turns import HANGOVER_SAMPLES, TurnDetector

# Probabilities that the user interrupts: it is one, if in so many windows in a row; it may be one;
# it is none. In between the words decide, and if they are not read in time, the probability.
SURE, SURE_WINDOWS = 0.9, 2
DOUBTFUL, DOUBTFUL_WINDOWS = 0.3, 2
UNLIKELY, UNLIKELY_WINDOWS = 0.1, 4  # with voice
LIKELIER, LONGEST_DOUBT_SAMPLES = 0.5, to_samples(1100)
# Words are read when the sound has been over for so long, or has gone on for so long.
QUIET_SAMPLES, LONG_SOUND_SAMPLES = to_samples(128), to_samples(640)
READ_BEFORE_SAMPLES = to_samples(100)  # the first consonant is no voice yet
SOUND_WINDOWS = 8.0  # a gap of a quarter second ends a sound
ELSEWHERE = 0.8  # a sound that is so surely not for us, or no turn, begins none
SHORTEST_PAUSE_SAMPLES = to_samples(96)
YIELDS_WINDOWS = 3
# When to say "mm-hm": wanted so much, so far into a turn, and so long after the last one.
LISTENED = 0.5
FIRST_LISTENED_SAMPLES, NEXT_LISTENED_SAMPLES = to_samples(4000), to_samples(6000)

_GOES_ON, _YIELDS, _INTERRUPTS, _BACKCHANNELS, _ELSEWHERE = range(1, len(USER_FORECAST))
_BACKCHANNEL = OWN_FORECAST.index("backchannel")


class ForecastDetector(TurnDetector):
    """A detector that uses the forecasts that come with the windows."""

    def __init__(self, settings: TurnSettings, from_sample: int = 0) -> None:
        super().__init__(settings, from_sample)
        self._listened_sample = from_sample - NEXT_LISTENED_SAMPLES  # when we last said "mm-hm"

    def _rest(self, from_sample: int) -> None:
        super()._rest(from_sample)
        self._forecast: Forecast | None = None  # of the newest window
        self._doubted_at: int | None = None  # end of the window that raised the doubt
        self._asked_until: int | None = None  # end of the audio whose words are being read
        self._asked_once = False  # in this doubt
        self._heard_until = self._voiced_until = from_sample
        self._expected = 0.0  # that this sound interrupts, at its likeliest
        self._dismissed = False  # the sound under way is no interruption
        self._sure = self._doubtful = self._unlikely = 0  # windows in a row
        self._yielding = 0

    def hear(self, window: SpeechActivity, *, assistant_audible: bool) -> list[TurnEvent]:
        self._forecast = window.forecast
        events = super().hear(window, assistant_audible=assistant_audible)
        if window.forecast is not None and self._speaking:
            events += self._maybe_listened(window.forecast, window.end_sample)
        return events

    # --- before a turn -----------------------------------------------------------------------

    def _hear_silence(self, window: SpeechActivity, assistant_audible: bool) -> list[TurnEvent]:
        forecast = window.forecast
        if forecast is None:
            return super()._hear_silence(window, assistant_audible)
        if assistant_audible or self._doubted_at is not None:
            return self._hear_over_ourselves(window, forecast)
        if forecast.user[_ELSEWHERE] + forecast.user[_BACKCHANNELS] >= ELSEWHERE:
            self._evidence = 0.0
            return []
        return super()._hear_silence(window, assistant_audible=False)

    def _hear_over_ourselves(self, window: SpeechActivity, forecast: Forecast) -> list[TurnEvent]:
        """A window while the assistant's voice is in the room."""
        self._heard_until = window.end_sample
        self._note_sound(window)
        # Who "goes on" while we take ourselves for audible does so because the policy does not.
        takes_floor = forecast.user[_INTERRUPTS] + forecast.user[_GOES_ON]
        interrupts = takes_floor if self._evidence else 0.0
        if self._evidence == 0.0 and self._doubted_at is None:
            self._expected = 0.0
        self._expected = max(self._expected, interrupts)
        self._sure = self._sure + 1 if interrupts >= SURE else 0
        self._doubtful = self._doubtful + 1 if interrupts >= DOUBTFUL else 0
        if self._voiced_until == self._heard_until:
            self._unlikely = self._unlikely + 1 if interrupts < UNLIKELY else 0
        if self._sure >= SURE_WINDOWS:
            return [self._interrupted()]
        if self._doubted_at is None:
            return self._maybe_doubt()
        return self._settle(self._doubted_at)

    def _maybe_doubt(self) -> list[TurnEvent]:
        if self._doubtful < DOUBTFUL_WINDOWS or self._dismissed:
            return []
        self._doubted_at, self._asked_until = self._heard_until, None
        self._asked_once = False
        return [Doubted()]

    def _settle(self, doubted_at: int) -> list[TurnEvent]:
        """In doubt: ask for words when there are some, and do not wait for ever."""
        if self._heard_until - doubted_at >= LONGEST_DOUBT_SAMPLES:
            return [self._interrupted() if self._expected >= LIKELIER else self._dismiss()]
        if self._asked_until is not None:
            return []
        if self._unlikely >= UNLIKELY_WINDOWS:
            return [self._dismiss()]
        sound_samples = self._heard_until - self._onset_sample
        long = sound_samples >= LONG_SOUND_SAMPLES and not self._asked_once
        return [self._ask_words()] if long or self._quiet else []

    @property
    def _quiet(self) -> bool:
        return self._heard_until - self._voiced_until >= QUIET_SAMPLES

    def _ask_words(self) -> AskWords:
        self._asked_until, self._asked_once = self._heard_until, True
        start = max(self._onset_sample - READ_BEFORE_SAMPLES, self._free_from, 0)
        return AskWords(start, self._heard_until)

    def told(self, text: str | None, ours: str) -> list[TurnEvent]:
        """Take the answer to an AskWords (None: it could not be read), and what we are saying."""
        if self._doubted_at is None or self._asked_until is None:
            return []
        likely = self._expected >= LIKELIER
        if likely if text is None else takes_floor(text, self._expected, ours):
            return [self._interrupted()]
        if self._quiet and self._voiced_until <= self._asked_until:
            return [self._dismiss()]
        self._asked_until = None  # more is being said: asked again when that is over
        return []

    def _interrupted(self) -> Began:
        """A turn has begun; its sound may be over already."""
        began = self._begin(self._heard_until, in_silence=False)
        self._spoke_until = max(self._onset_sample, self._voiced_until - HANGOVER_SAMPLES)
        self._doubted_at = None
        return began

    def _dismiss(self) -> Dismissed:
        self._doubted_at, self._dismissed = None, True
        return Dismissed()

    def _note_sound(self, window: SpeechActivity) -> None:
        """Remember where the sound under way began; a gap between syllables does not end it."""
        if window.probability >= self.settings.threshold:
            if self._evidence == 0.0:
                self._onset_sample = window.end_sample - VAD_WINDOW_SAMPLES
            self._evidence = min(self._evidence + 1.0, SOUND_WINDOWS)
            self._voiced_until = window.end_sample
        else:
            self._evidence = max(0.0, self._evidence - 1.0)
        self._dismissed = self._dismissed and self._evidence > 0.0

    # --- in a turn ---------------------------------------------------------------------------

    def _voiced(self, end_sample: int) -> list[TurnEvent]:
        events = super()._voiced(end_sample)
        if not self._paused:
            self._yielding = 0
        return events

    def _maybe_over(self, end_sample: int) -> list[TurnEvent]:
        if self._forecast is None or self.settings.kind == "server_vad" or not self._paused:
            return super()._maybe_over(end_sample)
        yields = self._forecast.user[_YIELDS] >= self.settings.yields_at
        self._yielding = self._yielding + 1 if yields else 0
        pause_samples = end_sample - self._spoke_until
        sure = self._yielding >= YIELDS_WINDOWS and pause_samples >= SHORTEST_PAUSE_SAMPLES
        if sure or pause_samples >= to_samples(self.settings.forecast_max_wait_ms):
            return [self._end(end_sample)]
        return []

    def _maybe_listened(self, forecast: Forecast, end_sample: int) -> list[TurnEvent]:
        if forecast.own[_BACKCHANNEL] < LISTENED:
            return []
        since_samples = end_sample - self._listened_sample
        early = end_sample - self._start_sample < FIRST_LISTENED_SAMPLES
        if early or since_samples < NEXT_LISTENED_SAMPLES:
            return []
        self._listened_sample = end_sample
        return [Listened()]
