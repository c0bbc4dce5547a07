"""A session: one client's conversation, as a machine without input or output of its own.

Everything that happens is told to it by a method with the present time; what it wants done is
collected and fetched with `drain`. It never blocks, reads no clock and knows no sockets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from voiceserver.config import Limits
from voiceserver.engine.messages import (
    AudioDelta,
    EngineReady,
    FloorJudged,
    FromEngine,
    Instruct,
    Recognised,
    ReduceNoise,
    ResponseEnded,
    SpeechActivity,
    TextDelta,
    ToEngine,
    TurnEnd,
)
from voiceserver.engine.tools import Tools
from voiceserver.errors import ClientError
from voiceserver.session import notices as n
from voiceserver.session.answerer import Answerer
from voiceserver.session.call_control import CallControl
from voiceserver.session.continuous import ContinuousVoice, fitted
from voiceserver.session.conversation import Conversation
from voiceserver.session.items import Item
from voiceserver.session.listening.ears import Ears
from voiceserver.session.served_tools import ServedTool
from voiceserver.session.settings import ReplyOptions, SessionSettings
from voiceserver.session.speaker import Speaker
from voiceserver.session.timing import TurnMarks, to_ms
from voiceserver.session.tool_calls import ToolCalls
from voiceserver.session.turn_taking import TurnTaking

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
        self._answerer = Answerer(settings, self.conversation, self.speaker, self._user_speaks)
        self.tool_calls = ToolCalls(self.conversation, self._answerer, new_id, self._put)
        self.call_control = CallControl(
            lambda: self.settings.call_tools,
            self.speaker.playout,
            self.conversation,
            self._answerer,
            new_id,
            self._put,
        )
        self._turns = TurnTaking(
            self.ears, self.speaker, self._answerer, self.conversation, new_id, self._put
        )
        self.voice = ContinuousVoice(session_id, self.speaker, self.conversation, self._put)
        self._engine_speaks_always = False
        self._effects: list[n.Effect] = []

    def _user_speaks(self) -> bool:
        return self.ears.current_item_id is not None

    def drain(self) -> list[n.Effect]:
        """What is to be done since the last call, in order."""
        effects, self._effects = self._effects, []
        return effects

    def _put(self, effect: n.Effect) -> None:
        self._effects.append(effect)
        self.call_control.noticed(effect)

    def _tell(self, message: ToEngine) -> None:
        self._effects.append(n.TellEngine(message))

    # --- from the client: settings and audio -------------------------------------------------

    @property
    def settings(self) -> SessionSettings:
        return self._answerer.settings

    def configure(self, settings: SessionSettings) -> None:
        """Hold to these settings from now on."""
        if settings.backchannels and not self._turns.speaking_up.speaks_verbatim:
            raise ClientError(
                "This server's model cannot say backchannels.",
                code="unsupported_value",
                param="session.voiceserver.backchannels",
            )
        if self._engine_speaks_always:
            settings = fitted(settings)
            self._tell(Instruct(self.session_id, settings.instructions))
        if settings.noise_reduction != self.settings.noise_reduction:
            self._tell(ReduceNoise(self.session_id, settings.noise_reduction))
        instructed = settings.instructions != self.settings.instructions
        self._answerer.settings = settings
        self.ears.configure(settings.turns)
        if instructed:
            self._answerer.read_ahead()

    def offer(self, tools: Tools, served: tuple[ServedTool, ...]) -> None:
        """These may be called from now on."""
        self._answerer.settings = replace(self.settings, tools=tools, served=served)

    def audio(self, pcm16: bytes, now_s: float) -> None:
        """More of the user's audio, mono int16 at the listening rate."""
        self.ears.audio(pcm16, now_s)

    def commit(self, now_s: float) -> None:
        """The client ends the user's turn."""
        self._turns.heed(self.ears.commit(), now_s)

    def clear(self) -> None:
        """The client throws away the audio not yet committed."""
        self.speaker.drop_held()
        self.ears.clear()
        self._put(n.Cleared())

    # --- from the client: items --------------------------------------------------------------

    def create_item(self, item: Item, previous_item_id: str | None, now_s: float = 0.0) -> None:
        """Put an item of the client's into the conversation."""
        decides = item.kind == "mcp_approval_response"
        if decides:
            item = self.tool_calls.check_decision(item)
        before = self.conversation.add(item, previous_item_id)
        self._put(n.ItemAdded(item, before))
        self._put(n.ItemDone(item, before))
        for index, part in enumerate(item.parts):
            if part.kind == "input_audio" and part.text is None:
                self._put(n.ReadClip(item.item_id, index))
        if decides:
            self.tool_calls.decided(item, now_s)

    def clip_read(self, item_id: str, part_index: int, text: str, audio_s: float) -> None:
        """The audio inside an item has been transcribed."""
        self._turns.write_down(item_id, part_index, text)
        self._put(n.Transcribed(item_id, part_index, text, audio_s))
        self._answerer.run_waiting()

    def clip_failed(self, item_id: str, part_index: int, message: str) -> None:
        """The audio inside an item could not be transcribed."""
        self._turns.write_down(item_id, part_index, "")
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
        aside = item is None and item_id == self.speaker.playout.item_id  # no item, yet heard
        if not aside and (item is None or not item.is_spoken_reply):
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
        self._turns.announce_turn()
        self._put(n.ItemTruncated(item_id, content_index, audio_end_ms))

    # --- from the client: replies ------------------------------------------------------------

    def create_response(self, options: ReplyOptions, now_s: float) -> None:
        """The client asks for a reply."""
        if self._engine_speaks_always:
            raise ClientError(
                "This server's model speaks by itself and cannot be asked to.",
                code="response_create_not_supported",
            )
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
        self._turns.reply_over(now_s)

    # --- from the engine ---------------------------------------------------------------------

    def engine_ready(
        self,
        voice_rate_hz: int,
        *,
        hears_audio: bool,
        calls_tools: bool = False,
        reads_images: bool = False,
        reads_ahead: bool = False,
        speaks_verbatim: bool = False,
        dialogue_chars: int = EngineReady.dialogue_chars,
        continuous: bool = False,
    ) -> None:
        """Learn what the engine's voice is like, and what it can read, hear and call."""
        self.conversation.reads_calls = calls_tools
        self.conversation.reads_images = reads_images
        self.conversation.dialogue_chars = dialogue_chars
        self.speaker.delivery.voice_rate_hz = voice_rate_hz
        self.ears.engine_hears = hears_audio
        self.speaker.engine_reads_ahead = reads_ahead
        self._turns.speaking_up.speaks_verbatim = speaks_verbatim
        self._hear_from(self.ears.heard_from_sample)
        if self.settings.noise_reduction is not None:
            self._tell(ReduceNoise(self.session_id, self.settings.noise_reduction))
        self._engine_speaks_always = continuous
        if continuous:
            self.configure(self.settings)
        self._answerer.read_ahead()

    def _hear_from(self, sample: int) -> None:
        self.conversation.heard_from_sample = sample if self.ears.engine_hears else None

    def engine_said(self, message: FromEngine, now_s: float) -> None:
        """Take a message of the engine about this session."""
        match message:
            case SpeechActivity():
                self.speaker.paced = message.forecast is not None
                audible = self.speaker.playout.audible(now_s)
                self._turns.heed(self.ears.windows(message, assistant_audible=audible), now_s)
                self._turns.speaking_up.if_idle(now_s)
            case Recognised():
                active = self.speaker.active
                ours = "" if active is None else active.text
                self._turns.heed(self.ears.recognised(message, ours), now_s)
            case FloorJudged():
                self._turns.heed(self.ears.floor_judged(message), now_s)
            case TurnEnd():
                self._turns.heed(self.ears.judged(message), now_s)
            case AudioDelta() if self._engine_speaks_always:
                if self.voice.said(message, self.settings.reply_options(), now_s):
                    self._turns.reply_over(now_s)
            case ResponseEnded() if self._engine_speaks_always:
                self.voice.failed(message, now_s)
            case TextDelta() | AudioDelta():
                self._turns.engine_said(message, now_s)
            case ResponseEnded():
                with self._turns.noticing_the_end(now_s):
                    self.speaker.engine_said(message, now_s)

    def reminded(self, now_s: float) -> None:
        """The time of a Remind has passed."""
        self._turns.reminded(now_s)
        self.call_control.reminded(now_s)

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
        self.voice.forget()
        self._hear_from(self.ears.clock.received_samples)  # what was heard is forgotten
        self._answerer.forget()
        self._answerer.engine_is_there = False
        for hearing in self.ears.engine_lost():
            self._turns.write_down(hearing.item_id, 0, "")
            message = "The speech engine stopped before this could be transcribed."
            self._put(n.TranscriptionFailed(hearing.item_id, 0, message))
        self._turns.reply_over(now_s)

    def engine_back(self) -> None:
        """A new engine has opened this session."""
        self.ears.engine_back()
        self._hear_from(self.ears.heard_from_sample)
        self._answerer.engine_is_there = True
        self._answerer.run_waiting()
