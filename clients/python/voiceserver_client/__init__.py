"""A small async client for a voiceserver, or any server that speaks the OpenAI Realtime protocol.

    async with connect("ws://127.0.0.1:8000") as call:
        reply = await call.ask(read_wav("question.wav"))
        print(reply.transcript, "->", reply.text)
        reply.save("reply.wav")

With `connect(url, reconnect=Reconnect())` a call survives the loss of its connection.

It needs only `websockets`. Audio is bytes of mono int16 little-endian at 24 kHz everywhere.
"""

from voiceserver_client.audio import RATE_HZ, read_wav, write_wav
from voiceserver_client.conversation import Conversation, connect
from voiceserver_client.errors import CallEnded, CannotConnect, RealtimeError, ServerRefused
from voiceserver_client.events import (
    AudioDelta,
    Event,
    Failure,
    InputTranscript,
    InterruptionTiming,
    Reconnected,
    ResponseCreated,
    ResponseDone,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TextDelta,
    Truncated,
    TurnTiming,
)
from voiceserver_client.link import Reconnect
from voiceserver_client.options import SessionOptions
from voiceserver_client.reply import Reply

__all__ = [
    "RATE_HZ",
    "AudioDelta",
    "CallEnded",
    "CannotConnect",
    "Conversation",
    "Event",
    "Failure",
    "InputTranscript",
    "InterruptionTiming",
    "RealtimeError",
    "Reconnect",
    "Reconnected",
    "Reply",
    "ResponseCreated",
    "ResponseDone",
    "ServerRefused",
    "SessionCreated",
    "SessionOptions",
    "SessionUpdated",
    "SpeechStarted",
    "SpeechStopped",
    "TextDelta",
    "Truncated",
    "TurnTiming",
    "connect",
    "read_wav",
    "write_wav",
]
