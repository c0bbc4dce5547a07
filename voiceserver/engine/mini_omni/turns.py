"""Reads what comes before each reply into its slot's rows: the user's voice while it still sounds.

As long as both rows should read the same, as in a first turn, one of them reads and the other is
copied when the reply begins. What was read ahead is only ever a head start: `question` says what
has to stand there, and whatever differs is taken back and read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from voiceserver.engine.messages import ChatMessage
from voiceserver.engine.mini_omni import columns as col
from voiceserver.engine.mini_omni.dialogue import Dialogue, Rows, both
from voiceserver.engine.mini_omni.rows import RowReader
from voiceserver.engine.mini_omni.utterances import Utterances


@dataclass
class Turn:
    """A turn that is being spoken."""

    start_sample: int
    history: Rows | None  # what stands before it; None: not to be read ahead
    features: int = -1  # of it that the rows are to read already


@dataclass
class Seat:
    """One slot's session."""

    dialogue: Dialogue
    turn: Turn | None = None
    aloud: bool = True  # the newest reply was spoken: the next one will be, too
    shared: bool = False  # the speaking row reads for both


class TurnReader:
    """What each slot has read and has to read before its next reply."""

    def __init__(self, utterances: Utterances, rows: RowReader) -> None:
        self._utterances = utterances
        self._rows = rows
        self._seats: dict[int, Seat] = {}

    def open(self, slot: int, dialogue: Dialogue) -> None:
        self._seats[slot] = Seat(dialogue)

    def close(self, slot: int) -> None:
        del self._seats[slot]
        self._utterances.drop(slot)
        for row in rows_of(slot):
            self._rows.clear(row)

    def dialogue(self, slot: int) -> Dialogue:
        return self._seats[slot].dialogue

    # --- while the user speaks --------------------------------------------------------------------

    def began(self, slot: int, start_sample: int, messages: Sequence[ChatMessage]) -> None:
        """A turn has begun: encode it from now on, and read it behind what was said before."""
        seat = self._seats[slot]
        self._utterances.follow(slot, slot, start_sample, None)
        known = all(m.start_sample is None or m.item_id in seat.dialogue.heard for m in messages)
        history = seat.dialogue.history(messages) if known else None
        seat.turn = Turn(start_sample, history)

    def look_ahead(self, slot: int) -> None:
        """Let the rows read what of the turn under way is settled."""
        seat = self._seats[slot]
        turn = seat.turn
        if turn is None or turn.history is None:
            return
        if not self._utterances.follows(slot, slot, turn.start_sample):
            return
        settled = self._utterances.settled(slot)
        if len(settled) == turn.features:
            return
        turn.features = len(settled)
        ahead = turn.history.then(both(col.heard(settled, over=False)))
        if seat.dialogue.fits(ahead):
            self.aim(slot, ahead, aloud=seat.aloud)

    def readable_ahead(self, slot: int) -> list[int]:
        """The slot's rows that can read a whole piece of the turn under way."""
        seat = self._seats[slot]
        if seat.turn is None or seat.turn.features < 0:
            return []
        return [row for row in rows_of(slot) if self._rows.whole_pieces(row)]

    def look_no_further(self, slot: int) -> None:
        """Reading ahead is of no use in this turn."""
        self._seats[slot].turn = None

    # --- before a reply ---------------------------------------------------------------------------

    def question(self, slot: int, messages: Sequence[ChatMessage]) -> Rows | None:
        """What has to stand before the reply; None while the user's voice is being encoded."""
        seat = self._seats[slot]
        for message in messages:
            if not self._hear(slot, message, is_last=message is messages[-1]):
                return None
        seat.turn = None
        return seat.dialogue.plan(messages)

    def _hear(self, slot: int, message: ChatMessage, *, is_last: bool) -> bool:
        """Have a spoken message's features; False while that takes time."""
        start, end = message.start_sample, message.end_sample
        if start is None or end is None:
            return True
        dialogue = self._seats[slot].dialogue
        known = dialogue.heard.get(message.item_id)
        if known is not None and (not is_last or known.end_sample == end):
            return True  # what has been answered stays as it was understood
        if not self._utterances.follow(slot, slot, start, end):
            return True  # the audio is gone: its text is read
        heard = self._utterances.heard(slot, end)
        if heard is None:
            return False
        dialogue.heard[message.item_id] = heard
        return True

    def aim(self, slot: int, rows: Rows, *, aloud: bool) -> None:
        """Have the slot's rows read this, as far as a reply of this kind needs them."""
        seat = self._seats[slot]
        speaking, writing = rows_of(slot)
        seat.aloud = aloud
        seat.shared = aloud and np.array_equal(rows.speaking, rows.writing)
        if aloud:
            self._rows.want(speaking, rows.speaking, donors=[writing] if seat.shared else [])
        if not seat.shared:
            self._rows.want(writing, rows.writing, donors=[speaking])

    def unread(self, slot: int) -> list[int]:
        """The rows of a slot that have something left to read."""
        return [row for row in rows_of(slot) if self._rows.unread(row)]

    def share(self, slot: int, rows: Rows) -> None:
        """The speaking row has read everything: give it to the writing row, too."""
        if self._seats[slot].shared:
            speaking, writing = rows_of(slot)
            self._rows.want(writing, rows.writing, donors=[speaking])


def rows_of(slot: int) -> tuple[int, int]:
    """The row in which a slot speaks, and that in which it writes."""
    return 2 * slot, 2 * slot + 1
