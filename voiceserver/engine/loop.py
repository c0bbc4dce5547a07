"""The engine's synchronous loop: a `tick` takes the inbox, listens, thinks, talks, sends.

It knows sessions, epochs and pacing, and a model family only by its interface. It never blocks and
never reads a socket; `process.py` sleeps between ticks for as long as `idle_s` says.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np

from voiceserver.audio.pcm16 import to_pcm16
from voiceserver.clock import Clock
from voiceserver.config import EngineConfig
from voiceserver.engine.family import (
    Ended,
    Family,
    Instructed,
    Made,
    ReadsAhead,
    Spoken,
    Task,
    Work,
    Written,
    failed,
)
from voiceserver.engine.messages import (
    AudioDelta,
    Cancel,
    CloseSession,
    EngineReady,
    FromEngine,
    HeldBack,
    Instruct,
    JudgeFloor,
    OpenSession,
    PredictTurnEnd,
    ReadAhead,
    Recognise,
    ReduceNoise,
    Released,
    Respond,
    SessionOpened,
    SessionRefused,
    TextDelta,
    ToEngine,
    TurnBegan,
    UserAudio,
)
from voiceserver.engine.pacing import Playout
from voiceserver.engine.prepared import Prepared
from voiceserver.engine.report import ended_message, heard_message
from voiceserver.engine.slots import Slots
from voiceserver.engine.talk_order import TalkOrder

log = logging.getLogger(__name__)


@dataclass
class Reply:
    """The reply under way in one slot."""

    epoch: int
    response_id: str
    playout: Playout = field(default_factory=Playout)


class Loop:
    """All sessions of one engine process."""

    def __init__(self, family: Family, config: EngineConfig, clock: Clock) -> None:
        self._family = family
        self._config = config
        self._clock = clock
        self._slots = Slots(family.shape.slots)
        self._order = TalkOrder(family.shape, clock, config.run_ahead_s)
        self._replies: dict[int, Reply] = {}  # by slot
        self._prepared = Prepared()
        self._inbox: deque[ToEngine] = deque()
        self._outbox: list[FromEngine] = []

    def ready(self) -> EngineReady:
        """The greeting to send before anything else."""
        return self._family.shape.greeting()

    def put(self, messages: Iterable[ToEngine]) -> None:
        self._inbox.extend(messages)

    def tick(self) -> list[FromEngine]:
        """One pass of bounded work for all sessions; returns what is to be sent."""
        self._take_inbox()
        self._listen()
        self._think()
        self._talk()
        self._warm()
        outbox, self._outbox = self._outbox, []
        return outbox

    def idle_s(self) -> float | None:
        """How long no tick is needed unless something comes from outside; None: for ever."""
        work = self._family.work()
        if self._inbox or work.listening or work.thinking or work.cold:
            return 0.0
        waits = (self._next_step_in_s(work), work.wake_in_s)
        return min((wait_s for wait_s in waits if wait_s is not None), default=None)

    # --- inbox ------------------------------------------------------------------------------------

    def _take_inbox(self) -> None:
        while self._inbox:
            message = self._inbox.popleft()
            if isinstance(message, OpenSession):
                self._open(message.session_id)
                continue
            slot = self._slots.slot_of(message.session_id)
            if slot is None:
                continue  # refused or closed a moment ago, while this was on its way
            self._handle(slot, message)

    def _handle(self, slot: int, message: ToEngine) -> None:
        match message:
            case CloseSession(session_id):
                self._drop_reply(slot)
                self._prepared.forget(slot)
                self._family.close(slot)
                self._slots.free(session_id)
            case UserAudio(_, pcm16):
                self._family.hear(slot, pcm16)
            case ReduceNoise(_, noise):
                self._family.reduce_noise(slot, noise)
            case Recognise(_, request_id, start_sample, end_sample, final):
                self._family.recognise(slot, request_id, start_sample, end_sample, final)
            case JudgeFloor(_, request_id, start_sample, end_sample):
                self._family.judge_floor(slot, request_id, start_sample, end_sample)
            case PredictTurnEnd(_, request_id, start_sample, end_sample):
                self._family.predict_turn_end(slot, request_id, start_sample, end_sample)
            case TurnBegan(_, start_sample, dialogue):
                self._family.turn_began(slot, start_sample, dialogue)
            case ReadAhead(_, dialogue):
                if isinstance(self._family, ReadsAhead):
                    self._family.read_ahead(slot, dialogue)
            case Respond():
                self._respond(slot, message)
            case HeldBack(_, silent_s):
                self._family.held_back(slot, silent_s)
            case Released(_, response_id):
                self._release(slot, response_id)
            case Cancel(_, epoch):
                self._cancel(slot, epoch)
            case Instruct(_, text):
                if isinstance(self._family, Instructed):
                    self._family.instruct(slot, text)

    def _open(self, session_id: str) -> None:
        if self._slots.slot_of(session_id) is not None:
            self._outbox.append(SessionRefused(session_id, "this session is already open"))
            return
        slot = self._slots.take(session_id)
        if slot is None:
            reason = f"all {len(self._slots)} sessions of this server are taken"
            self._outbox.append(SessionRefused(session_id, reason))
            return
        self._family.open(slot)
        self._outbox.append(SessionOpened(session_id))
        self._speak_always(slot)

    def _speak_always(self, slot: int) -> None:
        """The one reply of a session whose model is continuous: it has no name and no end."""
        if self._family.shape.continuous:
            self._replies[slot] = Reply(0, "")

    def _respond(self, slot: int, message: Respond) -> None:
        if self._family.shape.continuous:
            ended = failed(slot, RuntimeError("it speaks by itself, it cannot be asked to"))
            address = (message.session_id, message.epoch, message.response_id)
            self._outbox.append(ended_message(address, ended))
            return
        self._drop_reply(slot)
        self._prepared.forget(slot)
        self._replies[slot] = Reply(message.epoch, message.response_id)
        if message.prepared:
            self._prepared.expect(slot, message.response_id)
        # The response's name goes into the seed: a question asked again is answered anew, yet a
        # replay of the same messages gives the same answers, whoever else is talking.
        seed = self._config.seed ^ crc32(message.response_id.encode())
        task = Task(
            dialogue=message.dialogue,
            speak=message.speak,
            max_tokens=message.max_tokens,
            temperature=message.temperature,
            seed=seed,
            verbatim=message.verbatim,
            item_id=message.item_id,
            open_ended=message.open_ended,
            tools=message.tools,
        )
        try:
            self._family.begin(slot, task)
        except Exception as error:  # one session's trouble must not end the others
            self._fail([slot], error)

    def _release(self, slot: int, response_id: str) -> None:
        """What was made of a prepared reply is played now, and the rest as it comes."""
        playout, now_s = Playout(), self._clock.now_s()
        for samples in self._prepared.release(slot, response_id):
            begins_in_s = playout.add(self._duration_s(samples), now_s)
            self._family.played(slot, samples, begins_in_s)
        reply = self._replies.get(slot)
        if reply is not None and reply.response_id == response_id:
            reply.playout = playout

    def _cancel(self, slot: int, epoch: int) -> None:
        reply = self._replies.get(slot)
        if self._family.shape.continuous or (reply is not None and reply.epoch > epoch):
            return
        self._drop_reply(slot)
        if not self._prepared.forget(slot):
            self._family.hushed(slot)

    def _drop_reply(self, slot: int) -> None:
        if self._replies.pop(slot, None) is not None:
            self._family.stop(slot)

    # --- the three rooms --------------------------------------------------------------------------

    def _listen(self) -> None:
        for heard in self._family.listen():
            self._outbox.append(heard_message(self._slots.session_in(heard.slot), heard))

    def _think(self) -> None:
        """A step of writing, unless it would keep somebody who could speak in silence."""
        if self._order.urgent(self._playouts(self._family.work().talking)):
            return
        try:
            self._deliver(self._family.think())
        except Exception as error:
            self._fail(list(self._replies), error)

    def _talk(self) -> None:
        slots = self._order.now(self._playouts(self._family.work().talking))
        try:
            self._deliver(self._family.talk(slots) if slots else ())
        except Exception as error:
            self._fail(slots, error)

    def _warm(self) -> None:
        """Nobody wants anything: a step of reading what will be wanted."""
        work = self._family.work()
        wanted = work.listening or work.thinking or self._next_step_in_s(work) == 0.0
        if not work.cold or wanted or not isinstance(self._family, ReadsAhead):
            return
        try:
            self._family.warm()
        except Exception as error:  # it is read again when it is wanted
            log.error("reading ahead failed", exc_info=error)

    def _next_step_in_s(self, work: Work) -> float | None:
        return self._order.next_step_in_s(self._playouts(work.talking))

    def _playouts(self, slots: Sequence[int]) -> dict[int, Playout]:
        return {slot: self._replies[slot].playout for slot in slots}

    # --- outbox -----------------------------------------------------------------------------------

    def _deliver(self, made: Iterable[Made]) -> None:
        for piece in made:
            reply = self._replies[piece.slot]
            address = (self._slots.session_in(piece.slot), reply.epoch, reply.response_id)
            match piece:
                case Written(_, text, complete):
                    self._outbox.append(TextDelta(*address, text, complete))
                case Spoken(_, samples, words):
                    if len(samples):
                        self._play(reply, piece)
                    if len(samples) or words:  # a first frame may only fill the voice's delays
                        self._outbox.append(AudioDelta(*address, to_pcm16(samples), words))
                case Ended():
                    self._outbox.append(ended_message(address, piece))
                    del self._replies[piece.slot]

    def _play(self, reply: Reply, piece: Spoken) -> None:
        begins_in_s = reply.playout.add(self._duration_s(piece.samples), self._clock.now_s())
        if not self._prepared.keep(piece.slot, piece.samples):
            self._family.played(piece.slot, piece.samples, begins_in_s)

    def _duration_s(self, samples: np.ndarray) -> float:
        return len(samples) / self._family.shape.voice_rate_hz

    def _fail(self, slots: Sequence[int], error: Exception) -> None:
        log.error("a reply failed", exc_info=error)
        for slot in slots:
            self._family.stop(slot)
            if slot in self._replies:
                self._deliver([failed(slot, error)])
                self._speak_always(slot)
