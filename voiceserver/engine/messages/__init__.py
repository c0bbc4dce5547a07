"""What the gateway and the engine process say to each other: plain frozen dataclasses.

Sample positions named `*_sample` count samples at `LISTEN_RATE_HZ` on the session's input clock:
sample 0 is the first one the session ever received. `epoch` increments at each interruption; the
gateway drops output of an older epoch, so a message that crosses a Cancel on the way does no harm.
"""

from voiceserver.engine.messages.from_engine import (
    AudioDelta,
    EngineReady,
    FloorJudged,
    FromEngine,
    Recognised,
    ResponseEnded,
    SessionOpened,
    SessionRefused,
    SpeechActivity,
    TextDelta,
    TurnEnd,
)
from voiceserver.engine.messages.to_engine import (
    Cancel,
    CloseSession,
    HeldBack,
    Instruct,
    JudgeFloor,
    OpenSession,
    PredictTurnEnd,
    ReadAhead,
    Recognise,
    ReduceNoise,
    Released,
    Respond,
    ToEngine,
    TurnBegan,
    UserAudio,
)
from voiceserver.engine.messages.values import ChatMessage, EndReason, NoiseReduction, WordTiming

__all__ = [
    "AudioDelta",
    "Cancel",
    "ChatMessage",
    "CloseSession",
    "EndReason",
    "EngineReady",
    "FloorJudged",
    "FromEngine",
    "HeldBack",
    "Instruct",
    "JudgeFloor",
    "NoiseReduction",
    "OpenSession",
    "PredictTurnEnd",
    "ReadAhead",
    "Recognise",
    "Recognised",
    "ReduceNoise",
    "Released",
    "Respond",
    "ResponseEnded",
    "SessionOpened",
    "SessionRefused",
    "SpeechActivity",
    "TextDelta",
    "ToEngine",
    "TurnBegan",
    "TurnEnd",
    "UserAudio",
    "WordTiming",
]
