"""What a family has made, as messages to the gateway."""

from __future__ import annotations

from voiceserver.engine.family import Ended, FloorScore, Heard, Transcript, TurnScore, Window
from voiceserver.engine.messages import (
    FloorJudged,
    FromEngine,
    Recognised,
    ResponseEnded,
    SpeechActivity,
    TurnEnd,
)


def heard_message(session_id: str, heard: Heard) -> FromEngine:
    """What listening has brought."""
    match heard:
        case Window(_, end_sample, probability, level_dbfs, echo_likeness, forecast):
            return SpeechActivity(
                session_id, end_sample, probability, level_dbfs, echo_likeness, forecast
            )
        case Transcript(_, request_id, text, failed):
            return Recognised(session_id, request_id, text, failed)
        case FloorScore(_, request_id, probability):
            return FloorJudged(session_id, request_id, probability)
        case TurnScore(_, request_id, probability):
            return TurnEnd(session_id, request_id, probability)


def ended_message(address: tuple[str, int, str], ended: Ended) -> ResponseEnded:
    """The end of a reply."""
    session_id, epoch, response_id = address
    return ResponseEnded(
        session_id=session_id,
        epoch=epoch,
        response_id=response_id,
        reason=ended.reason,
        prompt_tokens=ended.prompt_tokens,
        text_tokens=ended.text_tokens,
        audio_frames=ended.audio_frames,
        message=ended.message,
        concealed_frames=ended.concealed_frames,
        calls=ended.calls,
        thinker_failure=ended.thinker_failure,
    )
