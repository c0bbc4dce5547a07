"""What the gateway tells the engine."""

from __future__ import annotations

from dataclasses import dataclass

from voiceserver.engine.messages.values import ChatMessage, NoiseReduction
from voiceserver.engine.tools import NO_TOOLS, Tools


@dataclass(frozen=True)
class OpenSession:
    """Ask for a slot; answered by SessionOpened or SessionRefused."""

    session_id: str


@dataclass(frozen=True)
class CloseSession:
    session_id: str


@dataclass(frozen=True)
class UserAudio:
    """More of what the user's microphone sent: mono int16 little-endian at LISTEN_RATE_HZ."""

    session_id: str
    pcm16: bytes


@dataclass(frozen=True)
class ReduceNoise:
    """Listen through less noise from now on; None, as at first: as it is."""

    session_id: str
    noise: NoiseReduction | None


@dataclass(frozen=True)
class Recognise:
    """Transcribe `[start_sample, end_sample)`; answered by Recognised with the same request_id.

    A newer one of the same session replaces an older one that has not begun, unless it was `final`.
    """

    session_id: str
    request_id: int
    start_sample: int
    end_sample: int
    final: bool  # False: a look at an unfinished utterance, may be dropped under load


@dataclass(frozen=True)
class JudgeFloor:
    """Does the sound in `[start_sample, end_sample)` take the floor? Answered by FloorJudged."""

    session_id: str
    request_id: int
    start_sample: int
    end_sample: int


@dataclass(frozen=True)
class PredictTurnEnd:
    """Does `[start_sample, end_sample)` sound like a finished turn? Answered by TurnEnd."""

    session_id: str
    request_id: int
    start_sample: int
    end_sample: int


@dataclass(frozen=True)
class TurnBegan:
    """A user's turn has begun at `start_sample`, after this dialogue; told if `hears_audio`.

    A model that hears may read the turn while it is being spoken. Said again when the user goes on
    after a pause, and when the dialogue before the turn changes. It has no consequence for what is
    replied: Respond has everything that needs.
    """

    session_id: str
    start_sample: int
    dialogue: tuple[ChatMessage, ...]


@dataclass(frozen=True)
class ReadAhead:
    """A reply to a dialogue that begins like this may soon be wanted; told if `reads_ahead`.

    The end of the last user's message may still change. Has no consequence for what is replied.
    """

    session_id: str
    dialogue: tuple[ChatMessage, ...]


@dataclass(frozen=True)
class Respond:
    """Write a reply to the dialogue, and speak it if `speak`.

    Only one reply a session is under way: a new Respond ends the earlier one without further
    messages.
    """

    session_id: str
    epoch: int
    response_id: str
    dialogue: tuple[ChatMessage, ...]
    speak: bool
    max_tokens: int  # of text
    temperature: float  # 0 is greedy
    verbatim: str | None = None  # speak exactly this text instead of thinking (`voiceserver say`)
    item_id: str = ""  # the conversation item that the reply becomes
    open_ended: bool = False  # max_tokens is our own default, nobody asked for it
    tools: Tools = NO_TOOLS
    prepared: bool = False  # nobody hears it before a Released


@dataclass(frozen=True)
class Released:
    """A prepared reply is heard from now on."""

    session_id: str
    response_id: str


@dataclass(frozen=True)
class Cancel:
    """End the reply under way if its epoch is at most this one; nothing more of it is sent."""

    session_id: str
    epoch: int


@dataclass(frozen=True)
class HeldBack:
    """The reply was kept from its listener: what they had not heard comes so much later."""

    session_id: str
    silent_s: float  # until now


@dataclass(frozen=True)
class Instruct:
    """What a continuous model is to keep to; stands in front of all it hears and says."""

    session_id: str
    text: str


ToEngine = (
    OpenSession
    | CloseSession
    | UserAudio
    | ReduceNoise
    | Recognise
    | JudgeFloor
    | PredictTurnEnd
    | TurnBegan
    | ReadAhead
    | Respond
    | Released
    | Cancel
    | HeldBack
    | Instruct
)
