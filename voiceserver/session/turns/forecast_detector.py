"""Turns as the duplex policy foresees them, window by window.

While the assistant speaks, `over_us` says what a sound means. A turn of a `semantic_vad` session
ends when the policy is sure that the user yields. Windows without a forecast are judged by voice
activity and smart-turn.
"""

from __future__ import annotations

from voiceserver.audio.noise_floor import NoiseFloor
from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.engine.forecast import OWN_FORECAST, USER_FORECAST, Forecast
from voiceserver.engine.messages import SpeechActivity
from voiceserver.session.settings import TurnSettings
from voiceserver.session.timing import to_samples
from voiceserver.session.turns.detector import HANGOVER_SAMPLES, TurnDetector
from voiceserver.session.turns.events import AskTurnEnd, Began, Listened, TurnEvent
from voiceserver.session.turns.evidence import TurnEvidence
from voiceserver.session.turns.over_us import OverUsEvent, SoundOverUs, TakesFloor

ELSEWHERE = 0.8  # a sound that is so surely not for us, or no turn, begins none
SHORTEST_PAUSE_SAMPLES = to_samples(96)
JUDGED_PAUSE_SAMPLES = to_samples(64)  # as in the judge's training
YIELDS_WINDOWS = 2
# Over our voice a sound so far over the room's noise may be the user's, whatever the VAD says: it
# misses some voices there for a second.
LOUD_DB, FIRST_FLOOR_DBFS = 18.0, -60.0
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
        self._floor = NoiseFloor(FIRST_FLOOR_DBFS)
        self._loud = False  # the newest window, for this room and user

    def _rest(self, from_sample: int) -> None:
        super()._rest(from_sample)
        self._forecast: Forecast | None = None  # of the newest window
        self._over_us = SoundOverUs(self.settings.threshold, from_sample)
        self._yielding = 0  # windows in a row
        self._heard = TurnEvidence()  # of this pause

    def hear(self, window: SpeechActivity, *, assistant_audible: bool) -> list[TurnEvent]:
        self._forecast = window.forecast
        over_db = self._floor.over_db(window.level_dbfs)
        self._loud = over_db >= LOUD_DB and window.level_dbfs >= self._faintest_dbfs()
        events = super().hear(window, assistant_audible=assistant_audible)
        if window.forecast is not None and self._speaking:
            events += self._maybe_listened(window.forecast, window.end_sample)
        return events

    # --- before a turn -----------------------------------------------------------------------

    def _hear_silence(self, window: SpeechActivity, assistant_audible: bool) -> list[TurnEvent]:
        forecast = window.forecast
        if forecast is None:
            return super()._hear_silence(window, assistant_audible)
        if assistant_audible or self._over_us.doubted_at is not None:
            return self._hear_over_ourselves(window, forecast)
        self._over_us = SoundOverUs(self.settings.threshold, self._free_from)
        if forecast.user[_ELSEWHERE] + forecast.user[_BACKCHANNELS] >= ELSEWHERE:
            self._evidence = 0.0
            return []
        return super()._hear_silence(window, assistant_audible=False)

    def _hear_over_ourselves(self, window: SpeechActivity, forecast: Forecast) -> list[TurnEvent]:
        """A window while the assistant's voice is in the room."""
        # Who "goes on" while we take ourselves for audible does so because the policy does not.
        interrupts = forecast.user[_INTERRUPTS] + forecast.user[_GOES_ON]
        return self._translated(
            self._over_us.hear(window, interrupts, self._loud), window.end_sample
        )

    def floor_judged(self, probability: float | None, now_sample: int) -> list[TurnEvent]:
        """Take the answer to an AskFloor. None: nobody can tell."""
        return self._translated(self._over_us.judged(probability), now_sample)

    def told(self, text: str | None, ours: str, now_sample: int) -> list[TurnEvent]:
        """Take the answer to an AskWords (None: it could not be read), and what we are saying."""
        return self._translated(self._over_us.told(text, ours), now_sample)

    def _translated(self, events: list[OverUsEvent], now_sample: int) -> list[TurnEvent]:
        """What these mean for turns."""
        return [
            self._interrupted(now_sample) if isinstance(event, TakesFloor) else event
            for event in events
        ]

    def _interrupted(self, now_sample: int) -> Began:
        """A turn has begun; its sound may be over already."""
        sound = self._over_us
        self._over_us = SoundOverUs(self.settings.threshold, now_sample)
        self._onset_sample = sound.onset_sample
        began = self._begin(now_sample, in_silence=False)
        self._spoke_until = max(self._onset_sample, sound.voiced_until - HANGOVER_SAMPLES)
        return began

    # --- in a turn ---------------------------------------------------------------------------

    def _voiced(self, end_sample: int) -> list[TurnEvent]:
        events = super()._voiced(end_sample)
        if not self._paused:
            self._yielding, self._heard = 0, TurnEvidence()
        return events

    def _maybe_over(self, end_sample: int) -> list[TurnEvent]:
        if self._forecast is None or self.settings.kind == "server_vad" or not self._paused:
            return super()._maybe_over(end_sample)
        pause_samples = end_sample - self._spoke_until
        silent_s = pause_samples / LISTEN_RATE_HZ
        over = self._heard.probability(self._forecast.user[_YIELDS], silent_s)
        yields = over >= self.settings.yields_at
        self._yielding = self._yielding + 1 if yields else 0
        sure = self._yielding >= YIELDS_WINDOWS and pause_samples >= SHORTEST_PAUSE_SAMPLES
        if sure or pause_samples >= to_samples(self.settings.forecast_max_wait_ms):
            return [self._end(end_sample)]
        if self._asked_at is not None or pause_samples < JUDGED_PAUSE_SAMPLES:
            return []
        self._asked_at = end_sample
        return [AskTurnEnd(end_sample)]

    def judged(self, asked_end_sample: int, probability: float, now_sample: int) -> list[TurnEvent]:
        if self._forecast is None:
            return super().judged(asked_end_sample, probability, now_sample)
        if self._asked_at == asked_end_sample:
            self._heard.sounds_complete = probability  # the next window counts it in
        return []

    def words_judged(self, complete: float) -> None:
        """What was said before this pause has been read, and is so likely all."""
        if self._paused:
            self._heard.words_complete = complete  # the next window counts it in

    def _maybe_listened(self, forecast: Forecast, end_sample: int) -> list[TurnEvent]:
        if forecast.own[_BACKCHANNEL] < LISTENED:
            return []
        since_samples = end_sample - self._listened_sample
        early = end_sample - self._start_sample < FIRST_LISTENED_SAMPLES
        if early or since_samples < NEXT_LISTENED_SAMPLES:
            return []
        self._listened_sample = end_sample
        return [Listened()]
