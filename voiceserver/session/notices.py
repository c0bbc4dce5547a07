"""What a session wants done, in its own words: the gateway makes wire events of it.

Every object here is immutable, so it may be encoded at once or later.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from voiceserver.engine.messages import ToEngine
from voiceserver.session.items import Item
from voiceserver.session.usage import Usage

ReplyStatus = Literal["in_progress", "completed", "cancelled", "incomplete", "failed"]


@dataclass(frozen=True)
class CalledItem:
    """A function call that ends a reply, and where it stands in the conversation."""

    item: Item
    previous_item_id: str | None


@dataclass(frozen=True)
class ReplyInfo:
    """A reply as it stands at the moment of the notice."""

    response_id: str
    item_id: str
    speak: bool
    in_conversation: bool
    metadata: dict[str, str] | None
    max_output_tokens: int | Literal["inf"]
    status: ReplyStatus
    reason: str | None = None  # turn_detected, client_cancelled, max_output_tokens
    error_code: str | None = None
    error_message: str = ""
    item: Item | None = None  # once it has been begun
    usage: Usage = field(default_factory=Usage)
    concealed_frames: int = 0  # of the audio: what the model made there was no sound
    calls: tuple[CalledItem, ...] = ()  # with the end
    sound: object = None  # as in its options
    thinker_failure: str = ""  # why the thinker did not finish; an apology was made of it

    @property
    def items(self) -> tuple[Item, ...]:
        """All that it has put out, in order."""
        message = () if self.item is None else (self.item,)
        return (*message, *(called.item for called in self.calls))


# --- towards the engine ---------------------------------------------------------------------------


@dataclass(frozen=True)
class TellEngine:
    message: ToEngine


@dataclass(frozen=True)
class ReadClip:
    """Transcribe audio that came inside an item; answered by `Session.clip_read`."""

    item_id: str
    part_index: int


@dataclass(frozen=True)
class RunTool:
    """Have a tool called by its server; answered by `ToolCalls.answered`."""

    item: Item


@dataclass(frozen=True)
class Remind:
    """Call `Session.reminded` when this time has passed, unless the session has ended."""

    in_s: float


# --- towards the client ---------------------------------------------------------------------------


@dataclass(frozen=True)
class SpeechStarted:
    item_id: str
    start_ms: int


@dataclass(frozen=True)
class SpeechStopped:
    item_id: str
    end_ms: int


@dataclass(frozen=True)
class IdleTimeout:
    item_id: str
    start_ms: int
    end_ms: int


@dataclass(frozen=True)
class Committed:
    item_id: str
    previous_item_id: str | None
    start_sample: int  # where its audio lies on the audio clock
    end_sample: int


@dataclass(frozen=True)
class Cleared:
    pass


@dataclass(frozen=True)
class ItemAdded:
    item: Item
    previous_item_id: str | None


@dataclass(frozen=True)
class ItemDone:
    item: Item
    previous_item_id: str | None


@dataclass(frozen=True)
class ItemRetrieved:
    item: Item


@dataclass(frozen=True)
class ItemDeleted:
    item_id: str


@dataclass(frozen=True)
class ItemTruncated:
    item_id: str
    content_index: int
    audio_end_ms: int


@dataclass(frozen=True)
class Interim:
    """What has been understood of a turn that is still being spoken; may change."""

    item_id: str
    text: str


@dataclass(frozen=True)
class Transcribed:
    item_id: str
    part_index: int
    text: str
    audio_s: float


@dataclass(frozen=True)
class TranscriptionFailed:
    item_id: str
    part_index: int
    message: str


@dataclass(frozen=True)
class ReplyCreated:
    reply: ReplyInfo


@dataclass(frozen=True)
class ReplyItemAdded:
    reply: ReplyInfo
    item: Item
    previous_item_id: str | None


@dataclass(frozen=True)
class ReplyText:
    """More text: of a written reply, or the transcript of a spoken one in step with its sound."""

    reply: ReplyInfo
    delta: str


@dataclass(frozen=True)
class ReplyAudio:
    """More sound, at the engine's rate."""

    reply: ReplyInfo
    pcm16: bytes
    late: bool  # the listener had run out of sound before it, and not because we kept it back


@dataclass(frozen=True)
class StreamAudio:
    """The next piece of a voice that is always there; it belongs to no reply."""

    pcm16: bytes


@dataclass(frozen=True)
class ReplyDone:
    """The reply is over, in whichever way; nothing of it follows."""

    reply: ReplyInfo
    previous_item_id: str | None


@dataclass(frozen=True)
class ToolProgress:
    """How far the listing of a server's tools, or a call of one, has come."""

    item: Item
    state: Literal["in_progress", "completed", "failed"]


@dataclass(frozen=True)
class EndCall:
    """The model wants to hang up, or the caller handed over to `target`."""

    item: Item  # its call of the tool
    target: str | None


@dataclass(frozen=True)
class Failure:
    """Something went wrong that is not the answer to a client's event."""

    message: str
    code: str
    kind: str = "server_error"


@dataclass(frozen=True)
class TurnTimed:
    """How long a turn's steps took, in ms after the user's last word."""

    response_id: str
    item_id: str
    speech_end_ms: int  # on the audio clock
    end_of_turn_ms: float | None
    recognised_ms: float | None
    first_text_ms: float | None
    first_audio_ms: float | None


@dataclass(frozen=True)
class InterruptionTimed:
    """How long after its first sample an interruption stopped the assistant."""

    response_id: str
    item_id: str  # of the interrupting turn
    onset_ms: int  # on the audio clock
    stopped_ms: float  # after the onset was received
    heard_ms: int  # of the interrupted reply


Effect = (
    TellEngine
    | ReadClip
    | RunTool
    | Remind
    | SpeechStarted
    | SpeechStopped
    | IdleTimeout
    | Committed
    | Cleared
    | ItemAdded
    | ItemDone
    | ItemRetrieved
    | ItemDeleted
    | ItemTruncated
    | Interim
    | Transcribed
    | TranscriptionFailed
    | ReplyCreated
    | ReplyItemAdded
    | ReplyText
    | ReplyAudio
    | StreamAudio
    | ReplyDone
    | ToolProgress
    | EndCall
    | Failure
    | TurnTimed
    | InterruptionTimed
)
