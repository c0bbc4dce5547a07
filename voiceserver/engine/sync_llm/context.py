"""What one slot's model has before it: instructions, then chunk after chunk of both speakers.

The user's side of a chunk may be an estimate, and may be replaced later by what was really said:
then everything from there on is written anew (deduplication reaches across borders), and `plan`
says how much of what the model has read still holds. Chunks are numbered by the clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from voiceserver.nn.sync_llm.chunks import Units, deduplicated, interpolated
from voiceserver.nn.sync_llm.grammar import Draft
from voiceserver.nn.sync_llm.vocabulary import Vocabulary


@dataclass
class Pair:
    """One chunk of both, at full rate."""

    own: Units
    user: Units | None  # None: nothing is known of it yet
    real: bool = False  # the user has said this; else it is an estimate or stands for silence
    tokens: list[int] | None = None  # as written; None: to be written anew


class Context:
    """Journal of chunks, and the tokens that the slot's row of the cache has read of it."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        per_chunk: int,
        positions: int,
        prompt: Sequence[int],
        silence: int,  # the unit of silence
        number: int,  # of the chunk that passes now; nothing is said in it
    ) -> None:
        self._vocabulary, self._per_chunk, self._positions = vocabulary, per_chunk, positions
        self._prompt = tuple(prompt)
        quiet = (silence,) * per_chunk
        # Both are silent in the chunk before, so that there is always a unit to go on from.
        self._pairs = [Pair(quiet, quiet), Pair(quiet, None)]
        self._first = number - 1
        self._before: tuple[int | None, int | None] = (None, None)  # last units before the first
        self._read: list[int] = []  # tokens in the cache
        self.quiet = quiet

    @property
    def last(self) -> int:
        """Number of our newest chunk."""
        return self._first + len(self._pairs) - 1

    @property
    def first(self) -> int:
        """Number of the oldest chunk that is kept."""
        return self._first

    def own(self, number: int) -> Units:
        return self._pairs[number - self._first].own

    def user(self, number: int) -> Units | None:
        return self._pairs[number - self._first].user

    def is_real(self, number: int) -> bool:
        return number >= self._first and self._pairs[number - self._first].real

    def unreal(self) -> int:
        """How many of the newest chunks before our last one lack what the user really said."""
        count = 0
        for pair in reversed(self._pairs[:-1]):
            if pair.real:
                break
            count += 1
        return count

    # --- what changes it ---------------------------------------------------------------------

    def heard(self, number: int, units: Units, *, real: bool = True) -> bool:
        """The user's chunk, in place of what stood there; False if it is too old or yet to come."""
        assert len(units) == self._per_chunk, f"{len(units)} units in a chunk"
        if not self._first <= number <= self.last:
            return False
        place = number - self._first
        self._pairs[place].user, self._pairs[place].real = units, real
        for pair in self._pairs[place : place + 2]:  # the next one goes on from this one
            pair.tokens = None
        return True

    def draft(self) -> Draft:
        """The estimate of the user's newest chunk and our next one, yet to be written."""
        before = self._pairs[-2].user
        assert before is not None, "the chunk before has both sides"
        assert self._pairs[-1].user is None, f"chunk {self.last} is known before it has passed"
        units = len(self._vocabulary.units)
        return Draft(units, self._per_chunk, before[-1], self._pairs[-1].own[-1])

    def drafted(self, draft: Draft) -> Units:
        """Take a draft in; our next chunk at full rate."""
        user, own = draft.result
        return self._append(user, own)

    def prime(self, own: Sequence[Units], user: Sequence[Units]) -> None:
        """What both have said so far, chunk by chunk; the last one passes now."""
        for mine, theirs in zip(own, user, strict=True):
            self._append((), ())
            self._pairs[-1].own = mine
            self.heard(self.last, theirs)
        if own:
            newest = self._pairs[-1]
            newest.user, newest.real, newest.tokens = None, False, None

    def skip(self) -> None:
        """A chunk's time has passed without a step: both go on with what they said last."""
        self._append((), ())

    def _append(self, user_news: Sequence[int], own_news: Sequence[int]) -> Units:
        newest, before = self._pairs[-1], self._pairs[-2].user
        assert before is not None, "the chunk before has both sides"
        if newest.user is None:  # else, where steps were missed, it has really been heard
            newest.user = interpolated(user_news, before[-1], self._per_chunk)
            newest.tokens = None
        own = interpolated(own_news, newest.own[-1], self._per_chunk)
        self._pairs.append(Pair(own, None))
        return own

    def instruct(self, prompt: Sequence[int], most_tokens: int) -> None:
        """Other instructions: all is read anew, of the chunks no more than so many tokens."""
        self._prompt, self._read = tuple(prompt), []
        while len(self._pairs) > 2 and sum(map(len, self._written())) > most_tokens:
            self._forget_first()

    # --- what the model reads ----------------------------------------------------------------

    def plan(self) -> tuple[int, list[int]]:
        """How many positions of the row still hold, and the tokens to read after them (not none)"""
        wanted = self.tokens()
        same = 0
        for old, new in zip(self._read, wanted[:-1], strict=False):
            if old != new:
                break
            same += 1
        del self._read[same:]
        return same, wanted[same:]

    def tokens(self) -> list[int]:
        """All of it."""
        return [*self._prompt, *(token for part in self._written() for token in part)]

    def was_read(self, tokens: Sequence[int]) -> None:
        """These stand in the cache now."""
        self._read += tokens

    def evict(self) -> tuple[int, int] | None:
        """Where the next step might not fit, let go of the oldest chunks, a quarter of the window.

        Returns the positions that they stood at in the cache, [begin, end).
        """
        length = len(self._prompt) + sum(map(len, self._written()))
        if length + 4 * (self._per_chunk + 1) <= self._positions:
            return None
        begin, count = len(self._prompt), 0
        while len(self._pairs) > 2 and length - count > self._positions * 3 // 4:
            count += self._forget_first()
        end = min(begin + count, len(self._read))
        del self._read[begin:end]
        return (begin, end) if end > begin else None

    def _forget_first(self) -> int:
        """Let go of the oldest chunk; returns how many tokens it was."""
        count = len(self._written()[0])
        gone = self._pairs.pop(0)
        assert gone.user is not None, "the oldest chunk has both sides"
        self._before = (gone.own[-1], gone.user[-1])
        self._first += 1
        return count

    def _written(self) -> list[list[int]]:
        """Tokens of every chunk."""
        own_before, user_before = self._before
        for pair in self._pairs:
            if pair.tokens is None:
                pair.tokens = self._vocabulary.own_tokens(deduplicated(pair.own, own_before))
                if pair.user is not None:
                    news = deduplicated(pair.user, user_before)
                    pair.tokens += self._vocabulary.user_tokens(news)
            own_before = pair.own[-1]
            user_before = pair.user[-1] if pair.user is not None else None
        return [pair.tokens or [] for pair in self._pairs]
