"""A sound while the assistant speaks: first a doubt, soon an interruption or nothing.

The policy's forecasts raise the doubt, or the engine's judge of sounds, which says whether it takes
the floor and is asked again while it lasts. Where there is no judge, the words of the sound say.
"""

from __future__ import annotations

from voiceserver.clock import VAD_WINDOW_SAMPLES
from voiceserver.engine.messages import SpeechActivity
from voiceserver.session.timing import to_samples
from voiceserver.session.turns.detector import ECHO_LIKENESS
from voiceserver.session.turns.events import AskFloor, AskWords, Dismissed, Doubted
from voiceserver.session.turns.floor import takes_floor

# The policy's probability of an interruption: it is one, if in so many windows in a row (and the
# judge does not object); it may be one; it is none (windows with voice, where there is no judge); a
# judge is worth asking. If nobody judges in time, the likelier is taken.
SURE, SURE_WINDOWS = 0.9, 2
DOUBTFUL, DOUBTFUL_WINDOWS = 0.2, 2
UNLIKELY, UNLIKELY_WINDOWS = 0.1, 4
WORTH_JUDGING = 0.04
LIKELIER, LONGEST_DOUBT_SAMPLES = 0.5, to_samples(1100)
# The judge's probability: it is an interruption, though the sound goes on; it is one, now that the
# sound is over; it is none so far. See the card of models/duplex_nano for what these do.
SURELY_TAKES_FLOOR, TAKES_FLOOR, LISTENS = 0.8, 0.4, 0.01
UNSURE = 0.05  # from here on, somebody who has stopped may only draw breath
FIRST_JUDGED_SAMPLES, JUDGED_AGAIN_SAMPLES = to_samples(320), to_samples(128)
LONGEST_JUDGED_SAMPLES = to_samples(4000)  # who has not interrupted by then is no user
# Words are read when the sound has been over for so long, or has gone on for so long.
QUIET_SAMPLES, LONG_SOUND_SAMPLES = to_samples(128), to_samples(640)
BREATH_SAMPLES = to_samples(320)  # who has been quiet for longer will not go on
HEARD_BEFORE_SAMPLES = to_samples(100)  # the first consonant is no voice yet
SOUND_WINDOWS = 8.0  # a gap of a quarter second ends a sound
OURS_WINDOWS = 3  # in a row, with voice: the sound that raised a doubt is our own voice


class TakesFloor:
    """The sound is an interruption."""


OverUsEvent = Doubted | AskFloor | AskWords | Dismissed | TakesFloor


class SoundOverUs:
    """Takes windows and answers; positions are samples of the session's audio clock."""

    def __init__(self, threshold: float, from_sample: int) -> None:
        self._threshold = threshold  # of voice
        self._free_from = from_sample  # audio before belongs to the past
        self.onset_sample = self.voiced_until = self._heard_until = from_sample
        self.doubted_at: int | None = None  # end of the window that raised the doubt
        self._evidence = 0.0  # voiced windows, less unvoiced ones
        self._expected = 0.0  # that this sound interrupts, at its likeliest
        self._dismissed = False  # the sound under way is no interruption
        self._sure = self._doubtful = self._unlikely = self._ours = 0  # windows in a row
        self._asked_until: int | None = None  # end of the audio of the open question
        self._judged_until = from_sample  # end of the audio of the newest question
        self._judged: float | None = None  # the newest answer
        self._has_judge = True  # until it says that it is none
        self._words_asked = False  # in this doubt

    def hear(self, window: SpeechActivity, interrupts: float, loud: bool) -> list[OverUsEvent]:
        """The next window; `interrupts` is the policy's probability of an interruption.

        `loud`: so loud for the room and its user that it counts as voice, if the VAD hears none.
        """
        self._heard_until = window.end_sample
        self._note_sound(window, loud or window.probability >= self._threshold)
        interrupts = interrupts if self._evidence else 0.0
        if self._evidence == 0.0 and self.doubted_at is None:
            self._expected = 0.0
        self._expected = max(self._expected, interrupts)
        self._sure = self._sure + 1 if interrupts >= SURE else 0
        self._doubtful = self._doubtful + 1 if interrupts >= DOUBTFUL else 0
        if self.voiced_until == self._heard_until:
            self._unlikely = self._unlikely + 1 if interrupts < UNLIKELY else 0
        if self._forecast_decides:
            return [TakesFloor()]
        events = self._maybe_doubt() if self.doubted_at is None else self._settle(self.doubted_at)
        return events or self._maybe_ask()

    def _note_sound(self, window: SpeechActivity, voiced: bool) -> None:
        """Remember where the sound under way began; a gap between syllables does not end it."""
        is_ours = window.echo_likeness >= ECHO_LIKENESS
        if voiced:
            self._ours = self._ours + 1 if is_ours else 0
        if voiced and not is_ours:
            if self._evidence == 0.0 and self.doubted_at is None:
                self.onset_sample = window.end_sample - VAD_WINDOW_SAMPLES
                self._judged = None
            elif self._dismissed and window.end_sample - self.voiced_until > QUIET_SAMPLES:
                self._dismissed, self._judged = False, None  # "All right," was not all
            self._evidence = min(self._evidence + 1.0, SOUND_WINDOWS)
            self.voiced_until = window.end_sample
        else:
            self._evidence = max(0.0, self._evidence - 1.0)
        self._dismissed = self._dismissed and self._evidence > 0.0

    # --- deciding ----------------------------------------------------------------------------

    def _maybe_doubt(self) -> list[OverUsEvent]:
        if self._doubtful < DOUBTFUL_WINDOWS or self._dismissed:
            return []
        return self._doubt()

    def _doubt(self) -> list[OverUsEvent]:
        self.doubted_at, self._words_asked = self._heard_until, False
        return [Doubted()]

    def _settle(self, doubted_at: int) -> list[OverUsEvent]:
        """In doubt: do not wait for ever."""
        if self._ours >= OURS_WINDOWS and self._evidence == 0.0:
            return [self._dismiss()]
        if self._heard_until - doubted_at >= LONGEST_DOUBT_SAMPLES:
            return [TakesFloor() if self._likely else self._dismiss()]
        if self._asked_until is not None:
            return []
        unlikely = self._unlikely >= UNLIKELY_WINDOWS and not self._has_judge
        return [self._dismiss()] if unlikely else self._decide()

    def _dismiss(self) -> Dismissed:
        self.doubted_at, self._dismissed = None, True
        return Dismissed()

    @property
    def _forecast_decides(self) -> bool:
        """Whether the policy is sure, and the judge, if there is one, does not object."""
        agreed = not self._has_judge or (self._judged is not None and self._judged >= TAKES_FLOOR)
        return agreed and self._sure >= SURE_WINDOWS

    @property
    def _likely(self) -> bool:
        """Whether it is rather an interruption, by the best that is known."""
        if self._judged is None:
            return self._expected >= LIKELIER
        return self._judged >= TAKES_FLOOR

    @property
    def _quiet_samples(self) -> int:
        return self._heard_until - self.voiced_until

    @property
    def _quiet(self) -> bool:
        return self._quiet_samples >= QUIET_SAMPLES

    @property
    def _whole(self) -> bool:
        """Whether the newest question was about all of a sound that is over."""
        return self._quiet and self.voiced_until <= self._judged_until

    # --- asking ------------------------------------------------------------------------------

    def _maybe_ask(self) -> list[OverUsEvent]:
        if self._asked_until is not None:
            return []
        sound_samples = self._heard_until - self.onset_sample
        if not self._has_judge:
            long = sound_samples >= LONG_SOUND_SAMPLES and not self._words_asked
            return [self._ask(AskWords)] if self.doubted_at and (long or self._quiet) else []
        sounds = self._evidence > 0.0 or self.doubted_at is not None
        possible = sounds and self._expected >= WORTH_JUDGING
        if not possible or self._whole or sound_samples > LONGEST_JUDGED_SAMPLES:
            return []
        begun = sound_samples >= FIRST_JUDGED_SAMPLES or self._quiet
        news_samples = self._heard_until - max(self._judged_until, self.onset_sample)
        return [self._ask(AskFloor)] if begun and news_samples >= JUDGED_AGAIN_SAMPLES else []

    def _ask(self, question: type[AskFloor] | type[AskWords]) -> AskFloor | AskWords:
        self._asked_until = self._judged_until = self._heard_until
        self._words_asked = question is AskWords
        start = max(self.onset_sample - HEARD_BEFORE_SAMPLES, self._free_from, 0)
        return question(start, self._heard_until)

    def judged(self, probability: float | None) -> list[OverUsEvent]:
        """Take the answer to an AskFloor. None: nobody can tell."""
        if self._asked_until is None:
            return []
        self._asked_until = None
        if probability is None:
            self._has_judge = False
            return [TakesFloor()] if self._forecast_decides else self._maybe_ask()
        self._judged = probability
        if self.doubted_at is None and not self._evidence:
            return []  # long over
        return self._decide()

    def _decide(self) -> list[OverUsEvent]:
        """What the newest judgement means by now."""
        if self._judged is None:
            return []
        if self._judged >= SURELY_TAKES_FLOOR:
            return [TakesFloor()]
        if self.doubted_at is None:
            return self._doubt() if self._judged >= TAKES_FLOOR and self._evidence else []
        if self._judged <= LISTENS or (self._whole and self._judged < UNSURE):
            return [self._dismiss()]
        if self._whole and self._quiet_samples >= BREATH_SAMPLES:
            return [TakesFloor() if self._likely else self._dismiss()]
        return []

    def told(self, text: str | None, ours: str) -> list[OverUsEvent]:
        """Take the answer to an AskWords (None: it could not be read), and what we are saying."""
        if self.doubted_at is None or self._asked_until is None:
            return []
        likely = self._expected >= LIKELIER
        if likely if text is None else takes_floor(text, self._expected, ours):
            return [TakesFloor()]
        if self._whole:
            return [self._dismiss()]
        self._asked_until = None  # more is being said: asked again when that is over
        return []
