"""What has been understood of one utterance, and which questions to the recogniser are still open.

Long utterances are read in pieces of what the recogniser takes at once. Asks through `ask`, is
told through `answered`; never blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.session.timing import TurnMarks, to_samples

# How often an utterance under way is looked at: to show it, or so that little is left to be read
# when a pause comes. A long one is looked at less often, because each look reads all of it.
SHOWN_SAMPLES = to_samples(800)
EARLY_SAMPLES = to_samples(500)
FIRST_SAMPLES = to_samples(600)  # of speech before the first look
LOOKS_PER_LENGTH = 8

Ask = Callable[[int, int, bool], int]  # (start_sample, end_sample, final) -> request id


@dataclass(frozen=True)
class _Request:
    request_id: int
    end_sample: int


class Hearing:
    """One utterance on its way to becoming text."""

    def __init__(self, item_id: str, start_sample: int, onset_sample: int, piece_s: float) -> None:
        self.item_id = item_id
        self.start_sample = start_sample
        self.onset_sample = onset_sample
        self.spoke_until_sample = start_sample
        self.end_sample: int | None = None  # set when the turn is over
        self.failed = False
        self.spoken = True
        self._piece_samples = int(piece_s * LISTEN_RATE_HZ)
        self._piece_start = start_sample
        self._pieces: dict[int, str | None] = {}  # request id -> text, in order; None while open
        self._wanted_end: int | None = None  # text is wanted up to here
        self._final: _Request | None = None  # open question about the end
        self._interim: int | None = None
        self._interim_end = start_sample
        self._last_text: str | None = None  # answer about the last piece, up to _wanted_end
        self.marks: TurnMarks | None = None

    @property
    def over(self) -> bool:
        return self.end_sample is not None

    @property
    def text(self) -> str | None:
        """The whole text, once everything up to the wanted end has been read."""
        if self._last_text is None or None in self._pieces.values():
            return None
        return " ".join(t for t in (*self._pieces.values(), self._last_text) if t)

    @property
    def span(self) -> tuple[int, int] | None:
        """Where its audio lies, once it is over; None when nothing was said in it."""
        if self.end_sample is None or not self.spoken:
            return None
        return self.start_sample, self.end_sample

    @property
    def audio_s(self) -> float:
        """Length of the utterance in seconds."""
        end = self.end_sample if self.end_sample is not None else self.spoke_until_sample
        return max(0, end - self.start_sample) / LISTEN_RATE_HZ

    def goes_on(self, now_sample: int, ask: Ask) -> None:
        """The user is still speaking: what fills a whole piece can be read for good."""
        while self._wanted_end is None and now_sample - self._piece_start >= self._piece_samples:
            self._settle(self._piece_start + self._piece_samples, ask)

    def look(self, now_sample: int, patience_samples: int, ask: Ask) -> None:
        """Look at the unfinished utterance now and then; the engine may skip that under load."""
        if self._final is not None or self._wanted_end is not None:
            return  # they pause, and all of it is being read
        patience = max(patience_samples, (now_sample - self._piece_start) // LOOKS_PER_LENGTH)
        if self._interim is not None:  # perhaps skipped
            patience *= 3
        spoken = now_sample - max(self._piece_start, self.onset_sample)
        if spoken >= FIRST_SAMPLES and now_sample - self._interim_end >= patience:
            self._interim = ask(self._piece_start, now_sample, False)
            self._interim_end = now_sample

    def _settle(self, end_sample: int, ask: Ask) -> None:
        self._pieces[ask(self._piece_start, end_sample, True)] = None
        self._piece_start = end_sample

    def resumed(self) -> None:
        """The pause was not the end: a text up to it is of no use."""
        self._wanted_end = self._last_text = self.marks = None

    def want(self, end_sample: int, ask: Ask) -> None:
        """The text up to here is wanted now (a likely end, or the end)."""
        while end_sample - self._piece_start > self._piece_samples:
            self._settle(self._piece_start + self._piece_samples, ask)
        self._wanted_end = end_sample
        self._last_text = None
        if self._final is None:  # else asked again when that answer is here
            self._final = _Request(ask(self._piece_start, end_sample, True), end_sample)

    def end(self, spoke_until_sample: int, end_sample: int, ask: Ask) -> None:
        """The turn is over; what was read in its last pause is the whole of it."""
        self.spoke_until_sample, self.end_sample = spoke_until_sample, end_sample
        if self._wanted_end is None or self._wanted_end < spoke_until_sample:
            self.want(end_sample, ask)

    def end_unspoken(self, end_sample: int) -> None:
        """The turn is over and nothing was said in it."""
        self.end_sample, self._last_text, self.spoken = end_sample, "", False

    def answered(self, request_id: int, text: str, failed: bool, ask: Ask) -> str | None:
        """Take an answer; return an interim text worth showing, if it was one."""
        if request_id in self._pieces:
            self._pieces[request_id] = text.strip()
            self.failed = self.failed or failed
        elif request_id == self._interim:
            self._interim = None
            return self._so_far(text)
        elif self._final is not None and request_id == self._final.request_id:
            return self._final_answered(text, failed, ask)
        return None

    def _final_answered(self, text: str, failed: bool, ask: Ask) -> str | None:
        assert self._final is not None
        answered_end, self._final = self._final.end_sample, None
        if self._wanted_end is None:  # they went on meanwhile
            return self._so_far(text)
        if answered_end < self.spoke_until_sample:
            self.want(self._wanted_end, ask)
            return self._so_far(text)
        self._last_text = text.strip()
        self.failed = self.failed or failed
        return None

    def _so_far(self, text: str) -> str:
        return " ".join(t for t in (*self._pieces.values(), text.strip()) if t)
