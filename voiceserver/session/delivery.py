"""Passes a reply on to the client: its text in step with its sound, its item, its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from voiceserver.engine.messages import AudioDelta, EndReason, ResponseEnded, TextDelta
from voiceserver.engine.tools import ToolCall
from voiceserver.session.calling import CallIds, called_items
from voiceserver.session.conversation import Conversation
from voiceserver.session.items import Item
from voiceserver.session.notices import (
    CalledItem,
    Effect,
    ReplyAudio,
    ReplyDone,
    ReplyItemAdded,
    ReplyStatus,
    ReplyText,
    RunTool,
    ToolProgress,
)
from voiceserver.session.playout import Playout
from voiceserver.session.reply import FromReply, Reply
from voiceserver.session.usage import Usage

_SAMPLE_BYTES = 2


class Delivery:
    """The way of one session's replies to its client. Effects go to `put`."""

    def __init__(
        self,
        conversation: Conversation,
        playout: Playout,
        new_id: Callable[[str], str],
        put: Callable[[Effect], None],
    ) -> None:
        self.voice_rate_hz = 0  # told by the engine before the first reply
        self._conversation = conversation
        self._playout = playout
        self._new_id = new_id
        self._put = put
        self._call_ids = CallIds(conversation, new_id)

    def pass_on(self, reply: Reply, message: FromReply, now_s: float, *, waited: bool) -> None:
        """Let the client have this; `waited`: it was kept back, so it is not the engine's delay."""
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
                silent = reply.sent_s > duration_s and self._playout.unheard_s(now_s) == 0.0
                self._put(ReplyAudio(reply.info("in_progress"), pcm16, late=silent and not waited))
                self._playout.sent(reply.item_id, duration_s, now_s)
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
            self.finish(reply, "failed", error_code="reply_failed", error_message=message)
            return
        self._send_text(reply, reply.rest())
        if ended.reason is EndReason.MAX_TOKENS:
            self.finish(reply, "incomplete", reason="max_output_tokens")
        else:
            self.finish(reply, "completed", calls=ended.calls)

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
        if not reply.timed and reply.options.verbatim is None:  # else it answers nothing
            self._put(reply.timing(first_audio_s))

    def finish(
        self,
        reply: Reply,
        status: ReplyStatus,
        *,
        reason: str | None = None,
        error_code: str | None = None,
        error_message: str = "",
        calls: Sequence[ToolCall] = (),
    ) -> None:
        """Tell the client of the reply's end, and remember what was said of it."""
        reply.over = True
        item = None
        if reply.item_begun:
            item = reply.item("completed" if status == "completed" else "incomplete")
            if reply.options.in_conversation:
                self._conversation.replace(item)
                if reply.options.speak:
                    self._conversation.remember_spoken(item.item_id, reply.spoken())
                    if reply.heard_s is not None:
                        self._conversation.cut_to_heard(item.item_id, reply.heard_s)
        called = self._called(reply, calls)
        info = reply.info(
            status,
            reason=reason,
            error_code=error_code,
            error_message=error_message,
            item=item,
            calls=called,
        )
        self._put(ReplyDone(info, reply.previous_item_id))
        for call in called:
            if call.item.kind == "mcp_call":
                self._put(ToolProgress(call.item, "in_progress"))
                self._put(RunTool(call.item))

    def _called(self, reply: Reply, calls: Sequence[ToolCall]) -> tuple[CalledItem, ...]:
        """The calls as items, after what the reply has said."""
        add = self._conversation.add if reply.options.in_conversation else _nowhere
        served, first = reply.options.served, 1 if reply.item_begun else 0
        distinct = self._call_ids.distinct(calls)
        items = called_items(distinct, served, first, self._new_id)
        return tuple(CalledItem(item, add(item)) for item in items)


def _nowhere(item: Item) -> None:
    """Where items outside the conversation are put."""
