"""What the gateway and the engine process say to each other: plain frozen dataclasses.

Sample positions named `*_sample` count samples at `LISTEN_RATE_HZ` on the session's input clock:
sample 0 is the first one the session ever received. `epoch` increments at each interruption; the
gateway drops output of an older epoch, so a message that crosses a Cancel on the way does no harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from voiceserver.engine.forecast import Forecast
from voiceserver.engine.images import Image
from voiceserver.engine.tools import NO_TOOLS, ToolCall, Tools

# --- values ---------------------------------------------------------------------------------------

NoiseReduction = Literal["near_field", "far_field"]  # where the microphone is: at the mouth, or not


@dataclass(frozen=True)
class ChatMessage:
    """One message of the dialogue as a model reads it: its text, or the user's voice itself.

    Calls and their results (role `tool`) are only told if `calls_tools`.
    """

    role: Literal["system", "user", "assistant", "tool"]
    text: str
    item_id: str = ""  # of the conversation item it comes from
    start_sample: int | None = None  # where a spoken message lies on this engine's input clock
    end_sample: int | None = None
    heard_s: float | None = None  # how much of a spoken reply was heard; None: all of it
    call: ToolCall | None = None  # of the assistant; its text is then empty
    call_id: str = ""  # of the call whose result this is
    images: tuple[Image, ...] = ()  # of the user; only told if `reads_images`

    @property
    def content(self) -> tuple[object, ...]:
        """What tells this message from others: the voice where there is one, else the words."""
        if self.start_sample is not None:
            return self.role, self.item_id, self.start_sample
        return self.role, self.text, self.call, self.call_id, self.images


@dataclass(frozen=True)
class WordTiming:
    """One spoken word: where it stands in the written reply, and when it is heard.

    `char_start:char_end` index the whole reply text; `start_s`/`end_s` count from the reply's first
    sample.
    """

    text: str
    char_start: int
    char_end: int
    start_s: float
    end_s: float


class EndReason(StrEnum):
    COMPLETED = "completed"
    MAX_TOKENS = "max_tokens"
    FAILED = "failed"


# --- gateway -> engine ----------------------------------------------------------------------------


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
    | Respond
    | Released
    | Cancel
    | HeldBack
    | Instruct
)

# --- engine -> gateway ----------------------------------------------------------------------------


@dataclass(frozen=True)
class EngineReady:
    """The weights are loaded and warm; sent once, first."""

    model: str
    slots: int
    voice_rate_hz: int  # rate of AudioDelta.pcm16
    frame_samples: int  # samples of one talker frame at voice_rate_hz
    hears_audio: bool = False  # replies to the user's voice itself and waits for no transcript
    calls_tools: bool = False  # reads Respond.tools, calls, and their results
    speaks_verbatim: bool = False  # reads Respond.verbatim
    dialogue_chars: int = 6000  # how much it reads of a dialogue
    continuous: bool = False  # speaks from SessionOpened on, all the time; Respond is refused
    reads_images: bool = False  # in the messages of users


@dataclass(frozen=True)
class SessionOpened:
    session_id: str


@dataclass(frozen=True)
class SessionRefused:
    session_id: str
    reason: str


@dataclass(frozen=True)
class SpeechActivity:
    """One VAD window of the user's audio, ending at `end_sample`."""

    session_id: str
    end_sample: int
    probability: float  # that somebody speaks, 0..1
    level_dbfs: float  # RMS of the window; silence is -120
    echo_likeness: float  # 0..1: how well the window is explained by our own recent speech
    forecast: Forecast | None = None  # of the duplex policy, where one listens


@dataclass(frozen=True)
class Recognised:
    session_id: str
    request_id: int
    text: str
    failed: bool = False  # the recogniser could not read this audio (text is then empty)


@dataclass(frozen=True)
class FloorJudged:
    session_id: str
    request_id: int
    probability: float | None  # that who made the sound wants to speak; None: nobody can tell


@dataclass(frozen=True)
class TurnEnd:
    session_id: str
    request_id: int
    probability: float  # that the user's turn is complete, 0..1


@dataclass(frozen=True)
class TextDelta:
    """More of the reply's text, as the thinker writes it (ahead of the sound)."""

    session_id: str
    epoch: int
    response_id: str
    text: str


@dataclass(frozen=True)
class AudioDelta:
    """More of the reply's sound: mono int16 little-endian at voice_rate_hz."""

    session_id: str
    epoch: int
    response_id: str
    pcm16: bytes
    words: tuple[WordTiming, ...]  # those whose timing became known with it


@dataclass(frozen=True)
class ResponseEnded:
    """All of the reply has been sent. Not said of a cancelled or replaced reply."""

    session_id: str
    epoch: int
    response_id: str
    reason: EndReason
    prompt_tokens: int
    text_tokens: int
    audio_frames: int
    message: str = ""  # what went wrong, when FAILED
    concealed_frames: int = 0  # of the audio: what the model made there was no sound
    calls: tuple[ToolCall, ...] = ()
    thinker_failure: str = ""  # why the thinker did not finish, where an apology was made of it


FromEngine = (
    EngineReady
    | SessionOpened
    | SessionRefused
    | SpeechActivity
    | Recognised
    | FloorJudged
    | TurnEnd
    | TextDelta
    | AudioDelta
    | ResponseEnded
)
