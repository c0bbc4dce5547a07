"""One slot's dialogue as columns: which turns stand in its two rows, and in what form.

A user's turn stands there as it was heard, or as text where it was typed or its sound is gone. A
reply stands there as it was made; one that was cut short as if it had ended where the user stopped
hearing it. The model has no system prompt, so system messages are left out. When the positions run
out the oldest turns are dropped, whole and down to half, because all that remains has to be read
anew. Pure logic: no networks, no clocks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from voiceserver.engine.messages import ChatMessage
from voiceserver.engine.mini_omni import columns as col
from voiceserver.engine.mini_omni.columns import Block, Columns
from voiceserver.nn.mini_omni.vocabulary import (
    AUDIO_STREAMS,
    EOA,
    EOT,
    PAD_A,
    PAD_T,
    TEXT_STREAM,
)

ROUNDING = 1e-6  # of a frame: a time that is a whole number of frames is not one less
FILL_STEPS = AUDIO_STREAMS  # the last layer's first code comes this many steps after the text's
Encode = Callable[[str], Sequence[int]]


@dataclass(frozen=True)
class Heard:
    """A user's turn as Whisper heard it. It holds the blocks so that their features stay."""

    end_sample: int
    blocks: tuple[Block, ...]
    numbers: NDArray[np.int64]  # of its features


@dataclass(frozen=True)
class Made:
    """A reply as it was made, in both rows without the columns that asked for it."""

    spoken: bool
    steps: tuple[NDArray[np.int64], ...]  # each [8], as sampled
    frames: int  # of sound in them
    text: str
    tokens: tuple[int, ...]  # of the text
    text_ends: tuple[int, ...]  # characters of the text after each token


@dataclass(frozen=True)
class Rows:
    """What the two rows of a slot should read, or have read."""

    speaking: Columns
    writing: Columns

    def __len__(self) -> int:
        return max(len(self.speaking), len(self.writing))

    def then(self, other: Rows) -> Rows:
        return Rows(
            np.concatenate([self.speaking, other.speaking]),
            np.concatenate([self.writing, other.writing]),
        )


def both(columns: Columns) -> Rows:
    """The same in both rows."""
    return Rows(columns, columns)


class Dialogue:
    """What is known of one slot's turns, by the ids of their items."""

    def __init__(self, encode: Encode, positions: int, reply_room: int, frame_s: float) -> None:
        self.heard: dict[str, Heard] = {}
        self.made: dict[str, Made] = {}
        self._encode = encode
        self._budget = positions - reply_room
        self._frame_s = frame_s
        self._first = ""  # the message that the rows begin with, once older ones were dropped

    def plan(self, messages: Sequence[ChatMessage]) -> Rows:
        """Everything before the answer: the newest turns that leave room for it."""
        turns = [m for m in messages if m.role != "system"]
        if not turns or turns[-1].role != "user":
            turns.append(ChatMessage("user", ""))  # the user is silent
        read = [self._rows(message) for message in turns]
        begin = self._begin(turns, read)
        self._first = _name(turns[begin]) if begin else ""
        return _joined([*read[begin:-1], _shortened(read[-1], self._budget)])

    def history(self, messages: Sequence[ChatMessage]) -> Rows:
        """What stands before a turn that has only begun; nothing is dropped for it."""
        turns = [m for m in messages if m.role != "system"]
        names = [_name(message) for message in turns]
        begin = names.index(self._first) if self._first in names else 0
        return _joined([self._rows(message) for message in turns[begin:]])

    def fits(self, rows: Rows) -> bool:
        """Whether a reply has room after these."""
        return len(rows) <= self._budget

    def keep(self, messages: Sequence[ChatMessage], also: str = "") -> None:
        """Forget turns that are no part of this dialogue, but for one more item."""
        names = {message.item_id for message in messages} | {also}
        self.heard = {name: turn for name, turn in self.heard.items() if name in names}
        self.made = {name: turn for name, turn in self.made.items() if name in names}

    def _begin(self, turns: Sequence[ChatMessage], read: Sequence[Rows]) -> int:
        """The first message to keep: where the rows begin already, if that leaves room."""
        names = [_name(message) for message in turns]
        begin = names.index(self._first) if self._first in names else 0
        if sum(len(rows) for rows in read[begin:]) <= self._budget:
            return begin
        last = len(turns) - 1
        questions = [i for i, m in enumerate(turns) if m.role == "user" and begin < i <= last]
        room = (after for after in questions if _total(read[after:]) <= self._budget // 2)
        return next(room, last)

    def _rows(self, message: ChatMessage) -> Rows:
        if message.role == "assistant":
            made = self.made.get(message.item_id)
            if made is not None and made.text.startswith(message.text):
                return self._reply(made, message)
            tokens = [*self._encode(message.text), EOT]
            return both(np.concatenate([col.answer(aloud=False), col.written(tokens)]))
        heard = self.heard.get(message.item_id)
        if heard is not None:
            return both(col.heard(heard.numbers))
        return both(col.typed(self._encode(message.text)))

    def _reply(self, made: Made, message: ChatMessage) -> Rows:
        """A reply whole, or as if it had ended where the user stopped hearing it."""
        asked = Rows(col.answer(aloud=made.spoken), col.answer(aloud=False))
        frames = made.frames
        if message.heard_s is not None:
            frames = min(frames, int(message.heard_s / self._frame_s + ROUNDING))
        kept = sum(end <= len(message.text) for end in made.text_ends)
        tokens = [*made.tokens[:kept], EOT]
        written = col.written(tokens)
        if not made.spoken:
            return asked.then(both(written))
        if frames == made.frames and kept == len(made.tokens):
            return asked.then(Rows(col.sampled(made.steps), written))
        return asked.then(Rows(ended_after(made.steps, frames, tokens), written))


def ended_after(steps: Sequence[NDArray[np.int64]], frames: int, tokens: Sequence[int]) -> Columns:
    """A spoken reply that says `tokens` and ends after so many frames: [frames + 8 or more, 9]

    Every layer has its codes of these frames, then eoa, then pad_a, as a whole reply has; before
    its first frame it has what was sampled there, which is what later columns were made from.
    """
    length = max(frames + FILL_STEPS + 1, len(tokens))
    ids = np.full((length, AUDIO_STREAMS + 1), PAD_A, np.int64)
    for layer in range(AUDIO_STREAMS):
        end = frames + layer + 1
        said = [step[layer] for step in steps[:end]]
        ids[: len(said), layer] = said
        ids[end, layer] = EOA
    ids[:, TEXT_STREAM] = PAD_T
    ids[: len(tokens), TEXT_STREAM] = tokens
    return col.sampled(list(ids))


def _name(message: ChatMessage) -> str:
    return message.item_id or f"{message.role}: {message.text}"


def _total(read: Sequence[Rows]) -> int:
    return sum(len(rows) for rows in read)


def _joined(read: Sequence[Rows]) -> Rows:
    speaking = [rows.speaking for rows in read]
    writing = [rows.writing for rows in read]
    none = col.nothing()
    return Rows(np.concatenate([none, *speaking]), np.concatenate([none, *writing]))


def _shortened(question: Rows, budget: int) -> Rows:
    """A last turn that is longer than everything: its beginning and end columns, less between.

    Of what was heard the beginning is kept, as the published code does; of a typed text the end,
    where the question usually stands.
    """
    columns = question.speaking
    surplus = len(columns) - budget
    if surplus <= 0:
        return question
    if columns[1, col.FEATURE] != col.NO_FEATURE:
        return both(np.concatenate([columns[: -1 - surplus], columns[-1:]]))
    return both(np.concatenate([columns[:1], columns[1 + surplus :]]))
