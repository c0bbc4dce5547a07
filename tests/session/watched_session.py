"""What a session promises, whatever happens: checked with all that it wants done."""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any

from hypothesis.stateful import RuleBasedStateMachine, invariant

from voiceserver.config import Limits
from voiceserver.engine import messages as m
from voiceserver.errors import ClientError
from voiceserver.session import notices as n
from voiceserver.session.session import Session
from voiceserver.session.settings import SessionSettings

RATE_HZ = 22050
LIMITS = replace(Limits(), dialogue_messages=4, utterance_s=2.0)


class WatchedSession(RuleBasedStateMachine):
    """A session, and what it wanted done so far."""

    engine_hears = False  # whether it answers to audio itself

    def __init__(self) -> None:
        super().__init__()
        numbers = count()
        self.session = Session(
            "s", SessionSettings(), LIMITS, lambda prefix: f"{prefix}{next(numbers)}"
        )
        able = {"hears_audio": self.engine_hears, "reads_ahead": not self.engine_hears}
        self.session.engine_ready(RATE_HZ, **able, calls_tools=True)
        self.now_s = 0.0
        self.listened = 0  # the engine's own sample clock
        self.connected = True
        self.asked: list[m.Recognise] = []
        self.judging: list[m.PredictTurnEnd] = []
        self.responds: list[m.Respond] = []
        self.cancelled_epoch = -1
        self.created: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.added: Counter[str] = Counter()
        self.sent_text: Counter[str] = Counter()
        self.made: defaultdict[str, list[bytes]] = defaultdict(list)  # sound, by reply
        self.passed_on: defaultdict[str, list[bytes]] = defaultdict(list)
        self.ended: set[str] = set()  # replies of which the engine has said its last word
        self.reminders: list[float] = []

    # --- what the session wants done -------------------------------------------------------------

    def take(self) -> None:
        for effect in self.session.drain():
            match effect:
                case n.TellEngine(message):
                    self.take_engine_message(message)
                case n.ReplyCreated(reply):
                    assert not self.active(), "two replies at once"
                    self.created[reply.response_id] += 1
                case n.ReplyItemAdded(reply) | n.ReplyText(reply) | n.ReplyAudio(reply):
                    assert self.active() == [reply.response_id], "output outside of its reply"
                    if isinstance(effect, n.ReplyText):
                        self.sent_text[reply.response_id] += len(effect.delta)
                    if isinstance(effect, n.ReplyAudio):
                        self.passed_on[reply.response_id].append(effect.pcm16)
                case n.Remind(in_s):
                    self.reminders.append(self.now_s + in_s)
                case n.ReplyDone(reply):
                    assert self.active() == [reply.response_id]
                    self.check_sound(reply)
                    self.done[reply.response_id] += 1
                    assert reply.status == "completed" or not reply.calls
                    if reply.item is not None:
                        assert len(reply.item.text) == self.sent_text[reply.response_id]
                case n.ItemAdded(item):
                    self.added[item.item_id] += 1
                case n.ReadClip(item_id, part_index):
                    self.session.clip_failed(item_id, part_index, "no clips here")

    def check_sound(self, reply: n.ReplyInfo) -> None:
        """What the client got is what was made, in order; all of it unless the reply was cut."""
        made = b"".join(self.made[reply.response_id])
        got = b"".join(self.passed_on[reply.response_id])
        assert made.startswith(got)
        assert reply.status != "completed" or got == made

    def take_engine_message(self, message: m.ToEngine) -> None:
        assert self.connected or not isinstance(message, m.UserAudio)
        match message:
            case m.Recognise():
                assert 0 <= message.start_sample <= message.end_sample
                self.asked.append(message)
            case m.PredictTurnEnd():
                assert 0 <= message.start_sample <= message.end_sample
                self.judging.append(message)
            case m.Respond():
                assert message.epoch > self.cancelled_epoch, "a reply in a cancelled epoch"
                self.check_dialogue(message.dialogue)
                self.responds.append(message)
            case m.TurnBegan():
                assert self.engine_hears
                assert 0 <= message.start_sample <= self.listened
                self.check_dialogue(message.dialogue)
            case m.ReadAhead():
                assert not self.engine_hears
                under_way = [r for r in self.responds[-1:] if r.epoch > self.cancelled_epoch]
                assert all(r.response_id in self.ended for r in under_way)
                self.check_dialogue(message.dialogue)
            case m.Cancel(epoch=epoch):
                assert epoch > self.cancelled_epoch, "an epoch is cancelled once"
                self.cancelled_epoch = epoch

    def check_dialogue(self, dialogue: tuple[m.ChatMessage, ...]) -> None:
        """Every message says something; spans lie in what this engine has heard."""
        for message in dialogue:
            if message.start_sample is None:
                assert message.text or message.call
                continue
            assert self.engine_hears
            assert message.end_sample is not None
            assert 0 <= message.start_sample < message.end_sample <= self.listened

    def active(self) -> list[str]:
        return [r for r in self.created if not self.done[r]]

    def try_request(self, request: Any) -> None:
        with suppress(ClientError):
            request()
        self.take()

    # --- what always holds -----------------------------------------------------------------------

    @invariant()
    def every_reply_is_created_and_ended_once(self) -> None:
        assert all(times == 1 for times in self.created.values())
        assert all(times == 1 for times in self.done.values())
        assert self.done.keys() <= self.created.keys()
        assert len(self.active()) <= 1

    @invariant()
    def items_are_consistent_and_bounded(self) -> None:
        items = self.session.conversation.items()
        assert len({item.item_id for item in items}) == len(items) <= 16
        assert all(times <= 1 for times in self.added.values())

    @invariant()
    def nothing_is_kept_back_for_long(self) -> None:
        speaker = self.session.speaker
        if speaker.doubted_for_s(self.now_s) > 0.0:
            assert self.reminders, "nobody would ever go on"

    @invariant()
    def nothing_piles_up(self) -> None:
        assert self.session.ears._questions.open_readings <= len(self.asked)
        assert self.session.ears._questions.open_judgements <= 1
        active = self.session.speaker.active
        assert active is None or len(active.waiting) <= 500
        held = self.session.speaker.held
        assert held is None or len(held.held or ()) <= 500
