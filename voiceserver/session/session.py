"""A session: one client's conversation, as a machine without input or output of its own.

Everything that happens is told to it by a method with the present time; what it wants done is
collected and fetched with `drain`. It never blocks, reads no clock and knows no sockets.
"""

from __future__ import annotations

from collections.abc import Callable

from voiceserver.config import Limits
from voiceserver.engine.messages import (
    AudioDelta,
    FromEngine,
    Recognised,
    ResponseEnded,
    SpeechActivity,
    TextDelta,
    ToEngine,
    TurnEnd,
)
from voiceserver.errors import ClientError
from voiceserver.session import notices as n
from voiceserver.session.answerer import Answerer
from voiceserver.session.conversation import Conversation
from voiceserver.session.ear_events import (
    EarEvent,
    InterimText,
    JudgedUnfinished,
    ReadInPause,
    SpeechBegan,
    SpeechResumed,
    TurnOver,
    TurnRead,
)
from voiceserver.session.ears import Ears
from voiceserver.session.hearing import Hearing
from voiceserver.session.items import Item, spoken_by_user
from voiceserver.session.settings import ReplyOptions, SessionSettings
from voiceserver.session.speaker import Speaker
from voiceserver.session.timing import TurnMarks, to_ms

NewId = Callable[[str], str]  # prefix -> an id never given before


class Session:
    """Listening, conversation and speaking of one client."""

    def __init__(
        self, session_id: str, settings: SessionSettings, limits: Limits, new_id: NewId
    ) -> None:
        self.session_id = session_id
        self.conversation = Conversation(new_id("conv"), limits.dialogue_messages)
        self.ears = Ears(session_id, settings.turns, limits, new_id, self._tell)
        self.speaker = Speaker(session_id, self.conversation, new_id, self._put)
        self._answerer = Answerer(settings, self.conversation, self.speaker)
        self._new_id = new_id
        self._effects: list[n.Effect] = []
        self._idle_since_s: float | None = None

    def drain(self) -> list[n.Effect]:
        """What is to be done since the last call, in order."""
        effects, self._effects = self._effects, []
        return effects

    def _put(self, effect: n.Effect) -> None:
        self._effects.append(effect)

    def _tell(self, message: ToEngine) -> None:
        self._effects.append(n.TellEngine(message))

    # --- from the client: settings and audio -------------------------------------------------

    @property
    def settings(self) -> SessionSettings:
        return self._answerer.settings

    def configure(self, settings: SessionSettings) -> None:
        """Hold to these settings from now on."""
        self._answerer.settings = settings
        self.ears.configure(settings.turns)

    def audio(self, pcm16: bytes, now_s: float) -> None:
        """More of the user's audio, mono int16 at the listening rate."""
        self.ears.audio(pcm16, now_s)

    def commit(self, now_s: float) -> None:
        """The client ends the user's turn."""
        self._heed(self.ears.commit(), now_s)

    def clear(self) -> None:
        """The client throws away the audio not yet committed."""
        self.speaker.drop_held()
        self.ears.clear()
        self._put(n.Cleared())

    # --- from the client: items --------------------------------------------------------------

    def create_item(self, item: Item, previous_item_id: str | None) -> None:
        """Put an item of the client's into the conversation."""
        before = self.conversation.add(item, previous_item_id)
        self._put(n.ItemAdded(item, before))
        self._put(n.ItemDone(item, before))
        for index, part in enumerate(item.parts):
            if part.kind == "input_audio" and part.text is None:
                self._put(n.ReadClip(item.item_id, index))

    def clip_read(self, item_id: str, part_index: int, text: str, audio_s: float) -> None:
        """The audio inside an item has been transcribed."""
        self._write_down(item_id, part_index, text)
        self._put(n.Transcribed(item_id, part_index, text, audio_s))
        self._answerer.run_waiting()

    def clip_failed(self, item_id: str, part_index: int, message: str) -> None:
        """The audio inside an item could not be transcribed."""
        self._write_down(item_id, part_index, "")
        self._put(n.TranscriptionFailed(item_id, part_index, message))
        self._answerer.run_waiting()

    def retrieve_item(self, item_id: str) -> None:
        item = self.conversation.get(item_id)
        if item is None:
            raise ClientError(
                f"Error retrieving item: the item with id '{item_id}' does not exist.",
                code="item_retrieve_invalid_item_id",
                param="item_id",
            )
        self._put(n.ItemRetrieved(item))

    def delete_item(self, item_id: str) -> None:
        self.conversation.delete(item_id)
        self._put(n.ItemDeleted(item_id))
        self._answerer.run_waiting()

    def truncate_item(
        self, item_id: str, content_index: int, audio_end_ms: int, now_s: float
    ) -> None:
        """The client says how much of a spoken reply was heard; later than all of it means all."""
        item = self.conversation.get(item_id)
        if item is None or not item.is_spoken_reply:
            raise ClientError(
                f"Error truncating item: '{item_id}' is not an item of assistant audio.",
                code="item_truncate_invalid_item_id",
                param="item_id",
            )
        if content_index != 0:
            raise ClientError(
                f"Error truncating item: it has no content part {content_index}.",
                code="invalid_value",
                param="content_index",
            )
        self.speaker.truncated(item_id, audio_end_ms / 1000, now_s)
        self._put(n.ItemTruncated(item_id, content_index, audio_end_ms))

    # --- from the client: replies ------------------------------------------------------------

    def create_response(self, options: ReplyOptions, now_s: float) -> None:
        """The client asks for a reply."""
        now_ms = to_ms(self.ears.clock.received_samples)
        self._answerer.requested(options, TurnMarks(now_ms, now_s, end_of_turn_s=now_s))

    def cancel_response(self, response_id: str | None, now_s: float) -> None:
        """The client ends the reply under way."""
        active = self.speaker.active
        if active is None or (response_id and response_id != active.response_id):
            which = f"'{response_id}'" if response_id else "a response"
            raise ClientError(
                f"Cancellation failed: no active response found for {which}.",
                code="response_cancel_not_active",
            )
        self.speaker.cancel("client_cancelled", now_s)
        self._reply_over(now_s)

    # --- from the engine ---------------------------------------------------------------------

    def engine_said(self, message: FromEngine, now_s: float) -> None:
        """Take a message of the engine about this session."""
        match message:
            case SpeechActivity():
                audible = self.speaker.playout.audible(now_s)
                self._heed(self.ears.windows(message, assistant_audible=audible), now_s)
                self._idle(now_s)
            case Recognised():
                self._heed(self.ears.recognised(message), now_s)
            case TurnEnd():
                self._heed(self.ears.judged(message), now_s)
            case TextDelta() | AudioDelta():
                self.speaker.engine_said(message, now_s)
            case ResponseEnded():
                was_active = self.speaker.active
                self.speaker.engine_said(message, now_s)
                if was_active is not None and self.speaker.active is None:
                    self._reply_over(now_s)

    def engine_lost(self, now_s: float) -> None:
        """The engine died. The conversation is kept; what was under way is not."""
        self._put(
            n.Failure(
                "The speech engine stopped and is being restarted; the conversation is kept. "
                "Please say that again.",
                code="engine_restarted",
            )
        )
        self.speaker.fail("engine_restarted", "The speech engine stopped.")
        self._answerer.forget()
        for hearing in self.ears.engine_lost():
            self._write_down(hearing.item_id, 0, "")
            message = "The speech engine stopped before this could be transcribed."
            self._put(n.TranscriptionFailed(hearing.item_id, 0, message))
        self._idle_since_s = now_s

    def engine_back(self) -> None:
        """A new engine has opened this session."""
        self.ears.engine_back()

    # --- turns -------------------------------------------------------------------------------

    def _heed(self, events: list[EarEvent], now_s: float) -> None:
        for event in events:
            hearing = event.hearing
            match event:
                case SpeechBegan():
                    self._speech_began(hearing, now_s)
                case InterimText(text=text):
                    self._put(n.Interim(hearing.item_id, text))
                case ReadInPause():
                    marks = self._marks(hearing, now_s)
                    marks.recognised_s = now_s
                    self._answerer.prepare(hearing.text or "", marks)
                case SpeechResumed() | JudgedUnfinished():
                    self.speaker.drop_held()
                case TurnOver(by_voice=by_voice):
                    self._turn_over(hearing, by_voice, now_s)
                case TurnRead():
                    self._turn_read(hearing, now_s)

    def _speech_began(self, hearing: Hearing, now_s: float) -> None:
        self._idle_since_s = None
        self._put(n.SpeechStarted(hearing.item_id, to_ms(hearing.start_sample)))
        turns = self.ears.settings
        if turns is None or not turns.interrupt_response:
            return
        self._answerer.interrupted()
        stopped = self.speaker.cancel("turn_detected", now_s)
        onset_s = self.ears.clock.wall_s(hearing.onset_sample)
        if stopped is not None and onset_s is not None:
            self._put(
                n.InterruptionTimed(
                    response_id=stopped.response_id,
                    item_id=hearing.item_id,
                    onset_ms=to_ms(hearing.onset_sample),
                    stopped_ms=round((now_s - onset_s) * 1000, 1),
                    heard_ms=int((stopped.heard_s or 0.0) * 1000),
                )
            )

    def _marks(self, hearing: Hearing, now_s: float) -> TurnMarks:
        if hearing.marks is None:
            spoke_until = hearing.spoke_until_sample
            wall_s = self.ears.clock.wall_s(spoke_until)
            hearing.marks = TurnMarks(to_ms(spoke_until), now_s if wall_s is None else wall_s)
        return hearing.marks

    def _turn_over(self, hearing: Hearing, by_voice: bool, now_s: float) -> None:
        assert hearing.end_sample is not None, "a turn that is over has an end"
        self._marks(hearing, now_s).end_of_turn_s = now_s
        turns = self.ears.settings
        if by_voice:
            self._put(n.SpeechStopped(hearing.item_id, to_ms(hearing.end_sample)))
            if turns is not None and turns.create_response:
                self._answerer.expect(hearing.item_id)
        else:
            self.speaker.drop_held()
        self._commit_item(spoken_by_user(hearing.item_id, None))

    def _commit_item(self, item: Item) -> None:
        self._put(n.Committed(item.item_id, self.conversation.last_id))
        before = self.conversation.add(item)
        self._put(n.ItemAdded(item, before))
        self._put(n.ItemDone(item, before))

    def _turn_read(self, hearing: Hearing, now_s: float) -> None:
        text = "" if hearing.failed else (hearing.text or "")
        marks = self._marks(hearing, now_s)
        if marks.recognised_s is None:
            marks.recognised_s = now_s
        self._write_down(hearing.item_id, 0, text)
        if hearing.failed:
            message = "This audio could not be transcribed."
            self._put(n.TranscriptionFailed(hearing.item_id, 0, message))
        else:
            self._put(n.Transcribed(hearing.item_id, 0, text, hearing.audio_s))
        self._answerer.turn_read(hearing.item_id, text, marks, now_s)

    def _write_down(self, item_id: str, part_index: int, text: str) -> None:
        item = self.conversation.get(item_id)
        if item is not None:
            self.conversation.replace(item.with_part_text(part_index, text))

    def _reply_over(self, now_s: float) -> None:
        self._idle_since_s = now_s
        self._answerer.reply_over(now_s)

    def _idle(self, now_s: float) -> None:
        """Speak up when the user has been silent for longer than the client asked for."""
        turns = self.ears.settings
        if turns is None or turns.idle_timeout_ms is None or self._idle_since_s is None:
            return
        silent_since_s = max(self._idle_since_s, self.speaker.playout.ends_s())
        if now_s - silent_since_s < turns.idle_timeout_ms / 1000 or self.speaker.active is not None:
            return
        self._idle_since_s = None
        end_ms = to_ms(self.ears.clock.received_samples)
        item = spoken_by_user(self._new_id("item"), "")
        start_ms = max(0, end_ms - int((now_s - silent_since_s) * 1000))
        self._put(n.IdleTimeout(item.item_id, start_ms, end_ms))
        self._commit_item(item)
        marks = TurnMarks(end_ms, now_s, end_of_turn_s=now_s)
        self._answerer.begin_now(item.item_id, marks, now_s)
