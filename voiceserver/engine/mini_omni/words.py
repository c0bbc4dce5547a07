"""When each word of a reply is heard: an estimate, because the model does not say.

Text runs ahead of sound in Mini-Omni and nothing ties the two together. So words are placed along
the sound by their characters at the speed the voice is known to speak with; that speed is learned
from whole replies. A word may be off by a second in a long sentence; the order is always right,
and the last word ends with the sound.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from voiceserver.engine.messages import WordTiming

LEAD_S = 0.1  # silence before the first word
FIRST_GUESS_CHARS_PER_S = 15.0  # of English at a usual speed
LEARNING = 0.2  # weight of the newest reply
TELLING_CHARS = 40  # a shorter reply says little about the speed
_WORD = re.compile(r"\S+")


@dataclass
class SpeakingRate:
    """How fast the checkpoint's one voice speaks, learned from what it has said."""

    chars_per_s: float = FIRST_GUESS_CHARS_PER_S

    def learn(self, chars: int, sound_s: float) -> None:
        """A reply of this length took so long to its end."""
        if chars >= TELLING_CHARS and sound_s > LEAD_S:
            heard = chars / (sound_s - LEAD_S)
            self.chars_per_s += LEARNING * (heard - self.chars_per_s)


class Words:
    """The words of one reply, on their way from text to times."""

    def __init__(self, rate: SpeakingRate) -> None:
        self._rate = rate
        self._chars_per_s = rate.chars_per_s  # of this reply, the same to its end
        self._text = ""
        self._timed_chars = 0  # words up to here have been handed out
        self._sound_s = 0.0
        self._spoken_until_s = 0.0  # end of the last word handed out

    def write(self, text: str) -> None:
        """More of the reply's text."""
        self._text += text

    def sound(self, duration_s: float) -> tuple[WordTiming, ...]:
        """More of its sound: the words that begin in what there is now."""
        self._sound_s += duration_s
        words: list[WordTiming] = []
        for match in _WORD.finditer(self._text, self._timed_chars):
            finished = match.end() < len(self._text)  # else more of it may be written
            if not finished or self._start_s(match) >= self._sound_s:
                break
            words.append(self._timing(match, self._start_s(match), self._estimate_s(match.end())))
        return tuple(words)

    def finish(self) -> tuple[WordTiming, ...]:
        """There is no more sound: the words that are left share what is left of it."""
        rest = list(_WORD.finditer(self._text, self._timed_chars))
        begin_s = min(self._spoken_until_s, self._sound_s)
        chars = sum(len(match[0]) for match in rest)
        words: list[WordTiming] = []
        at_s = begin_s
        for match in rest:
            end_s = at_s + (self._sound_s - begin_s) * len(match[0]) / chars
            words.append(self._timing(match, at_s, end_s))
            at_s = end_s
        return tuple(words)

    def learn(self) -> None:
        """The reply was spoken to its end: the next one's words are placed better."""
        self._rate.learn(len(self._text), self._sound_s)

    def _estimate_s(self, chars: int) -> float:
        return LEAD_S + chars / self._chars_per_s

    def _start_s(self, match: re.Match[str]) -> float:
        return max(self._estimate_s(match.start()), self._spoken_until_s)

    def _timing(self, match: re.Match[str], start_s: float, end_s: float) -> WordTiming:
        self._timed_chars = match.end()
        self._spoken_until_s = max(start_s, end_s)
        return WordTiming(match[0], match.start(), match.end(), start_s, self._spoken_until_s)
