"""The speaking half of a session: starts replies, holds them back, lets them go, ends them.

At most one reply is under way. A held reply was prepared on suspicion that the user has finished;
the client learns of it only when it is released. Ending a reply raises the epoch, so the engine's
late output is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from voiceserver.engine.messages import (
    AudioDelta,
    Cancel,
    ChatMessage,
    EndReason,
    Respond,
    ResponseEnded,
    TextDelta,
)
from voiceserver.engine.tools import NO_TOOLS, ToolCall
from voiceserver.session.conversation import Conversation
from voiceserver.session.items import function_call
from voiceserver.session.notices import (
    CalledItem,
    Effect,
    ReplyAudio,
    ReplyCreated,
    ReplyDone,
    ReplyItemAdded,
    ReplyStatus,
    ReplyText,
    TellEngine,
    Usage,
)
from voiceserver.session.playout import Playout
from voiceserver.session.reply import FromReply, Reply
from voiceserver.session.settings import ReplyOptions
from voiceserver.session.timing import TurnMarks

_SAMPLE_BYTES = 2


class Speaker:
    """One session's replies. Effects go to `put`."""

    def __init__(
        self,
        session_id: str,
        conversation: Conversation,
        new_id: Callable[[str], str],
        put: Callable[[Effect], None],
    ) -> None:
        self.voice_rate_hz = 0  # told by the engine before the first reply
        self.playout = Playout()
        self._session_id = session_id
        self._conversation = conversation
        self._new_id = new_id
        self._put = put
        self._epoch = 0
        self._reply: Reply | None = None

    # --- what is going on --------------------------------------------------------------------

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
            item_id=reply.item_id,
            open_ended=options.max_output_tokens == "inf",
            tools=options.tools if self._conversation.reads_calls else NO_TOOLS,
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
        for message in waiting:
            self._pass_on(reply, message, now_s)

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
            self._pass_on(reply, message, now_s)

    def _pass_on(self, reply: Reply, message: FromReply, now_s: float) -> None:
        match message:
            case TextDelta(text=text):
                self._begin_item(reply)
                self._send_text(reply, reply.written(text))
                if not reply.options.speak:
                    self._report_timing(reply, None)
            case AudioDelta(pcm16=pcm16, words=words):
                self._begin_item(reply)
                duration_s = len(pcm16) / (_SAMPLE_BYTES * self.voice_rate_hz)
                self._send_text(reply, reply.sounding(words, duration_s))
                late = reply.sent_s > duration_s and self.playout.unheard_s(now_s) == 0.0
                self._put(ReplyAudio(reply.info("in_progress"), pcm16, late))
                self.playout.sent(reply.item_id, duration_s, now_s)
                if pcm16:
                    self._report_timing(reply, now_s)
            case ResponseEnded():
                self._engine_ended(reply, message)

    def _engine_ended(self, reply: Reply, ended: ResponseEnded) -> None:
        reply.usage = Usage(ended.prompt_tokens, ended.text_tokens, ended.audio_frames)
        reply.concealed_frames = ended.concealed_frames
        reply.thinker_failure = ended.thinker_failure
        if ended.reason is EndReason.FAILED:
            message = ended.message or "The reply could not be made."
            self._finish(reply, "failed", error_code="reply_failed", error_message=message)
            return
        self._send_text(reply, reply.rest())
        if ended.reason is EndReason.MAX_TOKENS:
            self._finish(reply, "incomplete", reason="max_output_tokens")
        else:
            self._finish(reply, "completed", calls=ended.calls)

    def _begin_item(self, reply: Reply) -> None:
        if reply.item_begun:
            return
        reply.item_begun = True
        item = reply.item("in_progress")
        if reply.options.in_conversation:
            reply.previous_item_id = self._conversation.add(item)
        self._put(ReplyItemAdded(reply.info("in_progress"), item, reply.previous_item_id))

    def _send_text(self, reply: Reply, delta: str) -> None:
        if delta:
            self._put(ReplyText(reply.info("in_progress"), delta))

    def _report_timing(self, reply: Reply, first_audio_s: float | None) -> None:
        if not reply.timed:
            self._put(reply.timing(first_audio_s))

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
        self._finish(reply, "cancelled", reason=reason)
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
        if self.held is not None:
            self._reply = None
        if self.active is not None:
            self._finish(self.active, "failed", error_code=code, error_message=message)
        self._epoch += 1

    def _cancel_epoch(self) -> None:
        self._put(TellEngine(Cancel(self._session_id, self._epoch)))
        self._epoch += 1

    def _finish(
        self,
        reply: Reply,
        status: ReplyStatus,
        *,
        reason: str | None = None,
        error_code: str | None = None,
        error_message: str = "",
        calls: Sequence[ToolCall] = (),
    ) -> None:
        self._reply = None
        item = None
        if reply.item_begun:
            item = reply.item("completed" if status == "completed" else "incomplete")
            if reply.options.in_conversation:
                self._conversation.replace(item)
                if reply.options.speak:
                    self._conversation.remember_spoken(item.item_id, reply.spoken())
                    if reply.heard_s is not None:
                        self._conversation.cut_to_heard(item.item_id, reply.heard_s)
        info = reply.info(
            status,
            reason=reason,
            error_code=error_code,
            error_message=error_message,
            item=item,
            calls=tuple(self._called(reply, call) for call in calls),
        )
        self._put(ReplyDone(info, reply.previous_item_id))

    def _called(self, reply: Reply, call: ToolCall) -> CalledItem:
        """A function call as an item, after what the reply has said."""
        item = function_call(self._new_id("item"), call)
        before = self._conversation.add(item) if reply.options.in_conversation else None
        return CalledItem(item, before)
