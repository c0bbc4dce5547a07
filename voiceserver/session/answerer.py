"""Decides which turns are answered, and when: prepared in a pause, released at the end, asked for.

Stands between what was heard and the speaker; keeps only the turns that still wait for an answer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from itertools import takewhile

from voiceserver.errors import ClientError
from voiceserver.session.conversation import Conversation, same_dialogue
from voiceserver.session.items import Item
from voiceserver.session.reply import Reply
from voiceserver.session.settings import ReplyOptions, SessionSettings
from voiceserver.session.speaker import Speaker
from voiceserver.session.timing import TurnMarks

MOST_ASIDES = 16  # that may wait for the reply under way
# Clients of other servers ask for the reply to a tool's result themselves; ours has begun already.
ASKED_TOO_S = 2.0
MOST_FOLLOW_UPS = 8  # in a row; after so many the model must speak, not call


class Answerer:
    """Starts replies of one session."""

    def __init__(
        self,
        settings: SessionSettings,
        conversation: Conversation,
        speaker: Speaker,
        user_speaks: Callable[[], bool],
    ) -> None:
        self.settings = settings
        self._user_speaks = user_speaks
        self._conversation = conversation
        self._speaker = speaker
        self._expected: set[str] = set()  # items of ended turns to be answered once read
        self._next: str | None = None  # a turn that ended while another reply went on
        self._asides: deque[ReplyOptions] = deque()  # outside the conversation, asked for meanwhile
        self.engine_is_there = True
        self._asked: ReplyOptions | None = None  # a reply to a tool's result, asked for meanwhile
        self._result_unread = False  # of a tool that this server has called
        self._follow_up: Reply | None = None  # the newest reply to such a result
        self._follow_ups = 0  # since somebody else wanted a reply

    def prepare(self, item: Item, marks: TurnMarks) -> None:
        """The user may have finished this: start on the answer, to have it when they have."""
        turns = self.settings.turns
        if turns is None or not turns.create_response or self._speaker.active:
            return
        if not self._conversation.is_readable(item):
            return
        dialogue = self._conversation.dialogue(self.settings.instructions, and_item=item)
        self._speaker.prepare(self.settings.reply_options(), dialogue, marks)

    def read_ahead(self, item: Item | None = None) -> None:
        """Let the engine read what an answer will begin with, `item` being said just now."""
        turns = self.settings.turns
        if turns is None or turns.create_response:
            dialogue = self._conversation.dialogue(self.settings.instructions, and_item=item)
            self._speaker.read_ahead(dialogue)

    def expect(self, item_id: str) -> None:
        """This turn is to be answered as soon as it has been read."""
        self._expected.add(item_id)

    def turn_heard(self, item: Item, marks: TurnMarks, now_s: float) -> None:
        """A turn is over; answer it if that was expected and the engine needs no text for it."""
        if self._conversation.is_heard(item):
            self.turn_read(item, marks, now_s)

    def turn_read(self, item: Item, marks: TurnMarks, now_s: float) -> None:
        """A turn's text is known; answer it if that was expected."""
        self.run_waiting()
        if item.item_id in self._expected:
            self._expected.discard(item.item_id)
            self._answer(item, marks, now_s)

    def _answer(self, item: Item, marks: TurnMarks, now_s: float) -> None:
        said_nothing = not self._conversation.is_readable(item)
        if said_nothing and not self._conversation.continues(item.item_id):
            self._speaker.drop_held()
            self._follow_results(now_s)
            return
        if self._speaker.active is not None:
            self._next = item.item_id
            return
        self.begin_now(item.item_id, marks, now_s)

    def begin_now(self, item_id: str, marks: TurnMarks, now_s: float) -> None:
        """Answer the conversation as it stands, with the prepared reply if that still fits."""
        self._result_unread, self._follow_ups = False, 0
        dialogue = self._conversation.dialogue(self.settings.instructions)
        options = self.settings.reply_options()
        held = self._speaker.held
        if (
            held is not None
            and held.options == options
            and same_dialogue(held.dialogue or (), dialogue)
        ):
            self._speaker.release(item_id, marks, now_s)
        else:
            self._speaker.begin(options, dialogue, item_id, marks)

    def requested(self, options: ReplyOptions, marks: TurnMarks) -> None:
        """The client asks for a reply; one to a tool's result waits until the assistant is done."""
        active = self._speaker.active
        if active is None:
            if self._awaits_calls(options):
                self._asked = options
            elif not self._was_followed(options, marks):
                self._follow_ups = 0
                self._begin(options, marks)
        elif self._asked is None and self._answers_new_result(options, active):
            self._asked = options
        elif self._was_followed(options, marks):
            return
        elif not options.in_conversation and len(self._asides) < MOST_ASIDES:
            self._asides.append(options)
        else:
            raise ClientError(
                f"Conversation already has an active response in progress: {active.response_id}. "
                "Wait until the response is finished before creating a new one.",
                code="conversation_already_has_active_response",
            )

    def _begin(self, options: ReplyOptions, marks: TurnMarks) -> None:
        if options.in_conversation and options.input is None:
            self._result_unread = False
        self._speaker.begin(options, None, self._conversation.last_id or "", marks)
        self.run_waiting()

    def _answers_new_result(self, options: ReplyOptions, active: Reply) -> bool:
        """Whether a tool's result has come which the reply under way has not read."""
        of_conversation = options.in_conversation and options.input is None
        if not of_conversation or not self._conversation.reads_calls or active.dialogue is None:
            return False
        read = {message.item_id for message in active.dialogue}
        newer = takewhile(lambda i: i.item_id not in read, reversed(self._conversation.items()))
        return any(item.kind == "function_call_output" for item in newer)

    # --- results of tools that this server calls -------------------------------------------------

    def result_came(self, now_s: float, *, wanted: bool) -> None:
        """A call has its result; if `wanted`, the model says what follows once all have theirs."""
        self._result_unread |= wanted
        self._follow_results(now_s)

    def _follow_results(self, now_s: float) -> None:
        """Begin the reply to results that no reply has read, if it is the assistant's turn."""
        if not self._result_unread and self._asked is None:
            return
        if self._speaker.active is not None or self._user_speaks() or self._expected:
            return
        options = self._asked or _free_to_speak(self.settings.reply_options())
        if self._awaits_calls(options):
            return
        self._asked, self._follow_ups = None, self._follow_ups + 1
        if self._follow_ups >= MOST_FOLLOW_UPS:
            options = replace(options, tools=replace(options.tools, choice="none"))
        self._begin(options, TurnMarks(0, now_s, end_of_turn_s=now_s))
        self._follow_up = self._speaker.active

    def _awaits_calls(self, options: ReplyOptions) -> bool:
        """Whether results are still to come of calls since the user's last message."""
        if not options.in_conversation or options.input is not None:
            return False
        newest = takewhile(lambda i: i.role != "user", reversed(self._conversation.items()))
        return any(i.kind == "mcp_call" and i.status == "in_progress" for i in newest)

    def _was_followed(self, options: ReplyOptions, marks: TurnMarks) -> bool:
        """Whether just what is asked for is being said, or has just been said, on our own."""
        reply = self._follow_up
        if reply is None or replace(options, sound=None) != self.settings.reply_options():
            return False
        if self._speaker.active is not None:
            return self._speaker.active is reply
        begun_s, now_s = reply.marks.end_of_turn_s or 0.0, marks.end_of_turn_s or 0.0
        return self._conversation.last_id == reply.item_id and now_s - begun_s < ASKED_TOO_S

    # --- waiting -----------------------------------------------------------------------------

    def run_waiting(self) -> None:
        """Start the reply that waits for audio to be read, if all of it is read now."""
        active = self._speaker.active
        if active is None or active.dialogue is not None or not self.engine_is_there:
            return
        options, conversation = active.options, self._conversation
        items = conversation.items()
        if options.input is not None:
            items = tuple(self._as_it_is_now(item) for item in options.input)
        if any(item.awaits_text and self._will_be_read(item) for item in items):
            return
        if options.input is None:
            dialogue = conversation.dialogue(options.instructions)
        else:
            own = conversation.messages(items)
            dialogue = conversation.fit(own, options.instructions, len(own))
        self._speaker.run_waiting(dialogue)

    def _as_it_is_now(self, item: Item) -> Item:
        """An item that was referred to before its text was known, with the text."""
        known = self._conversation.get(item.item_id) if item.awaits_text else None
        return known or item

    def _will_be_read(self, item: Item) -> bool:
        """Whether the engine needs the item's text, and it is still to come."""
        return item.item_id in self._conversation and not self._conversation.is_heard(item)

    def reply_over(self, now_s: float) -> None:
        """A reply has ended, but not by the user's voice; make the one that waited for that."""
        item_id, self._next = self._next, None
        asked, self._asked = self._asked, None
        if asked is not None:  # it reads the turn that waited, too
            self._begin(asked, TurnMarks(0, now_s, end_of_turn_s=now_s))
            return
        item = self._conversation.get(item_id) if item_id is not None else None
        if item is not None:
            marks = TurnMarks(0, now_s, end_of_turn_s=now_s)
            self._answer(item, marks, now_s)
        self._follow_results(now_s)
        self.next_aside(now_s)

    def next_aside(self, now_s: float) -> None:
        """Make the next reply outside the conversation that was asked for, if nothing else is."""
        if self._asides and self._speaker.active is None:
            self._begin(self._asides.popleft(), TurnMarks(0, now_s, end_of_turn_s=now_s))

    def interrupted(self) -> None:
        """The user speaks again: what was still waiting is part of the past, read with the turn."""
        self._next = self._asked = None

    def continued(self, item_id: str) -> None:
        """The user goes on with this turn: it is answered with what they say now."""
        self._expected.discard(item_id)

    def forget(self) -> None:
        """Nothing is to be answered any more."""
        self._expected.clear()
        self._next = self._asked = None


def _free_to_speak(options: ReplyOptions) -> ReplyOptions:
    """The same, but no tool must be called: what had to be called has been."""
    if options.tools.choice not in ("required", "function"):
        return options
    return replace(options, tools=replace(options.tools, choice="auto", function_name=""))
