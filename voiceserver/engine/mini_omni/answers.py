"""The replies of all slots: read what comes before, make columns, have them sounded, end.

Every method does a bounded piece of work for all slots together. What goes wrong for one slot ends
that slot's reply; an exception in a step of several ends all of theirs, because it cannot be told
whose it was.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from tokenizers import Tokenizer

from voiceserver.engine.family import Made, Spoken, Task, Written, failed
from voiceserver.engine.messages import EndReason
from voiceserver.engine.mini_omni import columns as col
from voiceserver.engine.mini_omni.dialogue import Rows
from voiceserver.engine.mini_omni.reply import Frame, Phase, Reply
from voiceserver.engine.mini_omni.rows import RowReader
from voiceserver.engine.mini_omni.sound import Sound, Sounded
from voiceserver.engine.mini_omni.steps import Mode, Steps
from voiceserver.engine.mini_omni.transcriber import Transcriber
from voiceserver.engine.mini_omni.turns import TurnReader, rows_of
from voiceserver.engine.mini_omni.words import SpeakingRate
from voiceserver.engine.sampling import Sampling
from voiceserver.nn.mini_omni.vocabulary import STREAMS, TEXT_STREAM

log = logging.getLogger(__name__)

# Frames that may wait for the codec; with more the model would run ahead of the sound it is paced
# by.
MOST_UNDECODED = 2


class Answers:
    """The replies under way."""

    def __init__(
        self,
        turns: TurnReader,
        rows: RowReader,
        steps: Steps,
        sound: Sound,
        tokenizer: Tokenizer,
        *,
        rows_at_once: int,
        lead_samples: int = 0,
    ) -> None:
        self._turns = turns
        self._rows = rows
        self._steps = steps
        self._sound = sound
        self._tokenizer = tokenizer
        self._rows_at_once = rows_at_once  # that read in one pass
        self._lead_samples = lead_samples  # made before a reply begins to be heard
        self._rate = SpeakingRate()
        self._replies: dict[int, Reply] = {}  # by slot
        self._questions: dict[int, Rows] = {}  # what replies being read for come after

    # --- beginning and ending ---------------------------------------------------------------------

    def begin(self, slot: int, task: Task) -> None:
        """Start a reply; what comes before it is read by `read`."""
        if task.verbatim is not None:
            raise ValueError("Mini-Omni answers; it cannot be told what to say")
        self._replies[slot] = Reply(task, self._tokenizer, self._rate)

    def stop(self, slot: int) -> None:
        """Drop a reply. What was made of it is kept: some of it may have been heard."""
        reply = self._replies.pop(slot, None)
        self._questions.pop(slot, None)
        if reply is None:
            return
        if reply.phase is Phase.MAKING:
            self._book(slot, reply)
        if reply.phase in (Phase.MAKING, Phase.SOUNDING) and reply.speaks:
            self._sound.stop(slot)

    def has(self, slot: int) -> bool:
        """Whether a slot's rows belong to a reply."""
        return slot in self._replies

    # --- what there is to do ----------------------------------------------------------------------

    def preparing(self) -> bool:
        """Whether a reply waits for what comes before it to be heard or read."""
        return any(r.phase in (Phase.HEARING, Phase.READING) for r in self._replies.values())

    def writing(self) -> list[int]:
        """Slots whose reply is only written and can take a step."""
        return [s for s, r in self._replies.items() if r.phase is Phase.MAKING and not r.speaks]

    def speaking(self) -> list[int]:
        """Slots whose reply is spoken and can take a step."""
        return [
            slot
            for slot, reply in self._replies.items()
            if reply.phase is Phase.MAKING and reply.speaks and reply.undecoded < MOST_UNDECODED
        ]

    def decoding(self) -> bool:
        """Whether sound of any reply is with the codec."""
        return any(r.undecoded or r.phase is Phase.SOUNDING for r in self._replies.values())

    # --- before a reply ---------------------------------------------------------------------------

    def hear(self) -> list[Made]:
        """Replies whose question is known in full are given to the rows."""
        made: list[Made] = []
        for slot, reply in list(self._replies.items()):
            if reply.phase is not Phase.HEARING:
                continue
            try:
                question = self._turns.question(slot, reply.task.dialogue)
                if question is not None:
                    self._turns.aim(slot, question, aloud=reply.speaks)
                    self._questions[slot] = question
                    reply.prompt_tokens = len(question) + 1
                    reply.phase = Phase.READING
            except Exception as error:
                made.append(self._failed(slot, error))
        return made

    def fail_hearing(self, error: Exception) -> list[Made]:
        """What replies wait to hear cannot be encoded."""
        hearing = [s for s, reply in self._replies.items() if reply.phase is Phase.HEARING]
        return [self._failed(slot, error) for slot in hearing]

    def read(self) -> list[Made]:
        """A bounded piece of reading, the shortest question first; replies that can begin do."""
        waiting = [s for s, r in self._replies.items() if r.phase is Phase.READING]
        unread = {slot: self._turns.unread(slot) for slot in waiting}
        made = self._extend({slot: rows for slot, rows in unread.items() if rows})
        for slot in waiting:
            if slot in self._replies and not self._turns.unread(slot):
                try:
                    self._start(slot, self._replies[slot])
                except Exception as error:
                    made.append(self._failed(slot, error))
        return made

    def _extend(self, unread: dict[int, list[int]]) -> list[Made]:
        order = sorted(unread, key=lambda slot: sum(map(self._rows.unread, unread[slot])))
        chosen: list[int] = []
        for slot in order:
            rows = sum(len(unread[s]) for s in chosen) + len(unread[slot])
            if not chosen or rows <= self._rows_at_once:
                chosen.append(slot)
        try:
            self._rows.extend([row for slot in chosen for row in unread[slot]])
            return []
        except Exception as error:
            if len(chosen) == 1:
                return [self._failed(chosen[0], error)]
        return [m for slot in chosen for m in self._extend({slot: unread[slot]})]  # whose was it?

    def _start(self, slot: int, reply: Reply) -> None:
        self._turns.share(slot, self._questions.pop(slot))
        asked = [col.answer(aloud=True)] if reply.speaks else []
        column = torch.from_numpy(np.concatenate([*asked, col.answer(aloud=False)])[:, :STREAMS])
        mode = Mode.PAIR if reply.speaks else Mode.WRITE
        sampling = Sampling(reply.task.temperature, reply.task.seed)
        self._steps.start(slot, mode, column, sampling)
        reply.phase = Phase.MAKING
        if reply.speaks:
            self._sound.start(slot, reply.task.seed)

    # --- making a reply ---------------------------------------------------------------------------

    def step(self, slots: Sequence[int], beside: Transcriber) -> list[Made]:
        """One step of these replies and of the transcripts, and new frames to the codec.

        Transcripts ride along: another row costs little in a step that reads all weights anyway.
        """
        stepping = [slot for slot in slots if self._steps.room(slot)]
        voices = beside.writing()
        try:
            columns = self._steps.step([*stepping, *voices])
        except Exception as error:
            beside.fail(voices)
            return [self._failed(slot, error) for slot in stepping]
        for voice, column in zip(voices, columns[len(stepping) :], strict=True):
            beside.take(voice, column)
        made: list[Made] = []
        frames: dict[int, Frame] = {}
        for slot, column in zip(stepping, columns, strict=False):
            self._take(slot, column, made, frames)
        self._sound.decode(frames)
        for slot in set(slots) - set(stepping):
            self._replies[slot].row_full()
        self._finish([slot for slot in slots if self._replies[slot].ended is not None], made)
        return made

    def _finish(self, slots: Sequence[int], made: list[Made]) -> None:
        """No more steps are made of these; what the codec still holds comes later."""
        for slot in slots:
            self._book(slot, self._replies[slot])
        self._sound.finish([slot for slot in slots if self._replies[slot].frames])
        for slot in slots:
            if not self._replies[slot].frames:
                self._end(slot, made)

    def _take(self, slot: int, column: Frame, made: list[Made], frames: dict[int, Frame]) -> None:
        reply = self._replies[slot]
        taken = reply.take(column)
        if taken.text:
            made.append(Written(slot, taken.text))
        if taken.frame is not None:
            frames[slot] = taken.frame
            reply.undecoded += 1
        if reply.ended is None and reply.text_is_full:
            if reply.speaks:
                self._steps.end_text(slot)
            reply.end_text()

    def collect(self) -> list[Made]:
        """Sound that the codec has finished, and the ends of replies that it completes."""
        made: list[Made] = []
        for sounded in self._sound.collect():
            if sounded.slot not in self._replies:
                continue
            if sounded.error is not None:
                made.append(self._failed(sounded.slot, sounded.error))
            else:
                self._sounded(sounded, made)
        return made

    def _sounded(self, sounded: Sounded, made: list[Made]) -> None:
        slot = sounded.slot
        reply = self._replies[slot]
        reply.undecoded -= 1
        samples = reply.let_out(sounded.samples, self._lead_samples, sounded.last)
        words = reply.words.sound(len(samples) / self._sound.rate_hz)
        if sounded.last:
            words += reply.words.finish()
        made.append(Spoken(slot, samples, words))
        if sounded.last:
            self._end(slot, made)

    def _end(self, slot: int, made: list[Made]) -> None:
        """Nothing more comes of a reply."""
        reply = self._replies.pop(slot)
        if reply.ended is EndReason.COMPLETED:
            reply.words.learn()
        made.append(reply.closing(slot))
        if reply.speaks:
            self._sound.stop(slot)

    def _book(self, slot: int, reply: Reply) -> None:
        """No more steps are made: note what stands in the rows now."""
        self._steps.end(slot)
        reply.phase = Phase.SOUNDING
        speaking, writing = rows_of(slot)
        texts = [int(step[TEXT_STREAM]) for step in reply.steps]
        if reply.speaks:
            spoken = np.concatenate([col.answer(aloud=True), col.sampled(reply.steps)])
            self._rows.answered(speaking, spoken)
        written = np.concatenate([col.answer(aloud=False), col.written(texts)])
        self._rows.answered(writing, written)
        dialogue = self._turns.dialogue(slot)
        if reply.task.item_id:
            dialogue.made[reply.task.item_id] = reply.made()
        dialogue.keep(reply.task.dialogue, also=reply.task.item_id)

    def _failed(self, slot: int, error: Exception) -> Made:
        log.error("a reply failed", exc_info=error)
        self.stop(slot)
        return failed(slot, error)
