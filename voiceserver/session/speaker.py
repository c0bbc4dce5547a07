"""The speaking half of a session: starts replies, holds them back, lets them go, ends them.

At most one reply is under way. A held reply was prepared on suspicion that the user has finished;
the client learns of it only when it is released. A doubted reply is being heard, but what comes of
it is kept back while it is unclear whether the user interrupts. For that to be heard soon, a paced
speaker hands out no more sound than the client needs. Ending a reply raises the epoch, so the
engine's late output is dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from voiceserver.engine.messages import (
    AudioDelta,
    Cancel,
    ChatMessage,
    HeldBack,
    ReadAhead,
    Released,
    Respond,
    TextDelta,
)
from voiceserver.engine.tools import NO_TOOLS
from voiceserver.session.conversation import Conversation
from voiceserver.session.delivery import Delivery
from voiceserver.session.notices import Effect, Remind, ReplyCreated, TellEngine
from voiceserver.session.playout import Playout
from voiceserver.session.reply import FromReply, Reply
from voiceserver.session.settings import ReplyOptions
from voiceserver.session.timing import TurnMarks

# A reply is never kept back for longer: whoever doubts may have no more audio to judge by.
MOST_DOUBT_S = 1.25
LEAD_S = 0.08  # of sound that a paced client holds before it is given the next piece
PIECE_S = 0.03  # a frame at once would be silent so much later
TIMER_ERROR_S = 0.02
LEAST_S = 0.001  # less need not be waited for


class Speaker:
    """One session's replies. Effects go to `put`."""

    def __init__(
        self,
        session_id: str,
        conversation: Conversation,
        new_id: Callable[[str], str],
        put: Callable[[Effect], None],
    ) -> None:
        self.playout = Playout()
        self.paced = False
        self.lead_s = LEAD_S
        self.engine_reads_ahead = False
        self.delivery = Delivery(conversation, self.playout, new_id, put)
        self._session_id = session_id
        self._conversation = conversation
        self._new_id = new_id
        self._put = put
        self._epoch = 0
        self._reply: Reply | None = None
        self._due_s: float | None = None  # when a paced reply is to go on

    # --- what is going on --------------------------------------------------------------------

    @property
    def voice_rate_hz(self) -> int:
        """The rate of replies' sound."""
        return self.delivery.voice_rate_hz

    @property
    def active(self) -> Reply | None:
        """The reply the client knows of."""
        reply = self._reply
        return reply if reply is not None and reply.held is None else None

    @property
    def held(self) -> Reply | None:
        """The reply prepared on suspicion."""
        reply = self._reply
        return reply if reply is not None and reply.held is not None else None

    # --- starting ----------------------------------------------------------------------------

    def read_ahead(self, dialogue: tuple[ChatMessage, ...]) -> None:
        """Let the engine read what the next reply may be about, if it makes none just now."""
        if self.engine_reads_ahead and self._reply is None:
            self._put(TellEngine(ReadAhead(self._session_id, dialogue)))

    def prepare(
        self, options: ReplyOptions, dialogue: tuple[ChatMessage, ...], marks: TurnMarks
    ) -> None:
        """Have a reply made without telling the client."""
        self.drop_held()
        assert self._reply is None, f"{self._reply.response_id} is still under way"
        reply = self._new_reply(options, "", marks)
        reply.held = []
        self._run(reply, dialogue)

    def begin(
        self,
        options: ReplyOptions,
        dialogue: tuple[ChatMessage, ...] | None,
        answers_item_id: str,
        marks: TurnMarks,
    ) -> None:
        """Tell the client of a new reply, and start it if the dialogue is known already."""
        self.drop_held()
        assert self._reply is None, f"{self._reply.response_id} is still under way"
        reply = self._new_reply(options, answers_item_id, marks)
        self._put(ReplyCreated(reply.info("in_progress")))
        if dialogue is not None:
            self._run(reply, dialogue)

    def join(self, options: ReplyOptions, answers_item_id: str, marks: TurnMarks) -> Reply:
        """The engine has begun to speak by itself: tell the client of a reply that is under way."""
        assert self._reply is None, f"{self._reply.response_id} is still under way"
        reply = self._new_reply(options, answers_item_id, marks)
        reply.dialogue = ()
        self._put(ReplyCreated(reply.info("in_progress")))
        return reply

    def run_waiting(self, dialogue: tuple[ChatMessage, ...]) -> None:
        """The dialogue the active reply waited for is complete."""
        if self.active is not None and self.active.dialogue is None:
            self._run(self.active, dialogue)

    def _new_reply(self, options: ReplyOptions, answers_item_id: str, marks: TurnMarks) -> Reply:
        self._reply = Reply(
            response_id=self._new_id("resp"),
            item_id=self._new_id("item"),
            epoch=self._epoch,
            options=options,
            answers_item_id=answers_item_id,
            marks=marks,
        )
        return self._reply

    def _run(self, reply: Reply, dialogue: tuple[ChatMessage, ...]) -> None:
        reply.dialogue = dialogue
        options = reply.options
        respond = Respond(
            session_id=self._session_id,
            epoch=reply.epoch,
            response_id=reply.response_id,
            dialogue=dialogue,
            speak=options.speak,
            max_tokens=options.max_tokens,
            temperature=options.temperature,
            verbatim=options.verbatim,
            item_id=reply.item_id,
            open_ended=options.max_output_tokens == "inf",
            tools=options.tools if self._conversation.reads_calls else NO_TOOLS,
            prepared=reply.held is not None,
        )
        self._put(TellEngine(respond))

    def release(self, answers_item_id: str, marks: TurnMarks, now_s: float) -> None:
        """The suspicion was right: let the client have what was held back, and all that follows."""
        reply = self.held
        assert reply is not None, "no reply is held"
        assert reply.held is not None, f"{reply.response_id} is not held back"
        waiting, reply.held = reply.held, None
        marks.first_text_s = reply.marks.first_text_s
        reply.answers_item_id, reply.marks = answers_item_id, marks
        self._put(ReplyCreated(reply.info("in_progress")))
        self._put(TellEngine(Released(self._session_id, reply.response_id)))
        for message in waiting:
            reply.waiting.extend(self._pieces(message))
        self._hand_out(reply, now_s, waited=True)

    # --- from the engine ---------------------------------------------------------------------

    def engine_said(self, message: FromReply, now_s: float) -> None:
        """Take output of the engine; anything but the present reply's is stale."""
        reply = self._reply
        if reply is None or message.response_id != reply.response_id:
            return
        if message.epoch != reply.epoch:
            return
        if isinstance(message, TextDelta) and reply.marks.first_text_s is None:
            reply.marks.first_text_s = now_s
        if reply.held is not None:
            reply.held.append(message)
        else:
            waited = bool(reply.waiting)
            reply.waiting.extend(self._pieces(message))
            self._hand_out(reply, now_s, waited=waited)

    def _pieces(self, message: FromReply) -> list[FromReply]:
        """The sound of a paced reply in short pieces; its words come with the first."""
        if not self.paced or not isinstance(message, AudioDelta):
            return [message]
        step = 2 * round(PIECE_S * self.voice_rate_hz)
        pcm16 = message.pcm16
        rest = [
            replace(message, pcm16=pcm16[i : i + step], words=())
            for i in range(step, len(pcm16), step)
        ]
        return [replace(message, pcm16=pcm16[:step]), *rest]

    def _hand_out(self, reply: Reply, now_s: float, *, waited: bool) -> None:
        """Let the client have what waits, unless there is doubt or it has enough."""
        while reply.waiting and reply.doubted_s is None:
            spare_s = self.playout.ahead_s(now_s) - self.lead_s
            if self.paced and spare_s > LEAST_S and isinstance(reply.waiting[0], AudioDelta):
                self._remind(now_s, spare_s)
                return
            self.delivery.pass_on(reply, reply.waiting.popleft(), now_s, waited=waited)
            if reply.over:
                self._reply = None

    def _remind(self, now_s: float, in_s: float) -> None:
        if self._due_s is None or self._due_s <= now_s:
            self._due_s = now_s + in_s
            self._put(Remind(in_s))

    def go_on_if_due(self, now_s: float) -> None:
        """Time has passed: the client may need more of a paced reply."""
        if self._due_s is not None and now_s >= self._due_s - TIMER_ERROR_S:
            self._due_s = None
            if self.active is not None:
                self._hand_out(self.active, now_s, waited=True)

    # --- in doubt ----------------------------------------------------------------------------

    def doubt(self, now_s: float) -> None:
        """The user may be interrupting: keep back what comes, until `go_on` or `cancel`."""
        reply = self.active
        if reply is None or reply.doubted_s is not None:
            return
        if reply.sent_s and reply.options.in_conversation:
            reply.doubted_s = now_s
            self._put(Remind(MOST_DOUBT_S))

    def go_on(self, now_s: float) -> None:
        """It was no interruption: the reply goes on where it was kept back."""
        reply = self.active
        if reply is None or reply.doubted_s is None:
            return
        reply.doubted_s = None
        silent_s = now_s - self.playout.ends_s()
        if silent_s > 0:
            self._put(TellEngine(HeldBack(self._session_id, silent_s)))
        self._hand_out(reply, now_s, waited=True)

    def doubted_for_s(self, now_s: float) -> float:
        """How long the active reply has been kept back; 0 if it is not."""
        reply = self.active
        return 0.0 if reply is None or reply.doubted_s is None else now_s - reply.doubted_s

    # --- ending ------------------------------------------------------------------------------

    def drop_held(self) -> None:
        """The user went on: forget the prepared reply, the client never knew of it."""
        if self.held is not None:
            self._reply = None
            self._cancel_epoch()

    def cancel(self, reason: str, now_s: float) -> Reply | None:
        """End the active reply at once and cut what is remembered of it to what was heard."""
        reply = self.active
        if reply is None:
            self.hush(now_s)
            return None
        if reply.dialogue is not None:
            self._cancel_epoch()
        reply.heard_s = self.playout.heard_s(now_s) if reply.sent_s else 0.0
        self.playout.flushed(now_s)
        self._reply = None
        self.delivery.finish(reply, "cancelled", reason=reason)
        return reply

    def hush(self, now_s: float) -> None:
        """The user talks over sound already sent: they did not hear the rest of it."""
        if self.playout.item_id is not None and self.playout.unheard_s(now_s) > 0:
            self._conversation.cut_to_heard(self.playout.item_id, self.playout.heard_s(now_s))
            self.playout.flushed(now_s)

    def truncated(self, item_id: str, heard_s: float, now_s: float) -> None:
        """The client says how much of an item was heard, and that it plays no more of it."""
        if self.active is not None and self.active.item_id == item_id:
            self.active.heard_s = heard_s
        elif item_id == self.playout.item_id:
            self.playout.flushed(now_s)
        self._conversation.cut_to_heard(item_id, heard_s)

    def fail(self, code: str, message: str) -> None:
        """The engine is gone: what it was saying ends here."""
        reply, self._reply = self.active, None
        if reply is not None:
            self.delivery.finish(reply, "failed", error_code=code, error_message=message)
        self._epoch += 1

    def _cancel_epoch(self) -> None:
        self._put(TellEngine(Cancel(self._session_id, self._epoch)))
        self._epoch += 1
