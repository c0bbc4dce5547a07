"""What the engine tells the gateway."""

from __future__ import annotations

from dataclasses import dataclass

from voiceserver.engine.forecast import Forecast
from voiceserver.engine.messages.values import EndReason, WordTiming
from voiceserver.engine.tools import ToolCall


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
    reads_ahead: bool = False  # wants to be told what a reply will have to read


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
    # With a reply's first: how likely the user's words so far are all they wanted to say.
    complete: float | None = None


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
