"""What the metrics learn from what a session has done."""

from __future__ import annotations

from voiceserver.clock import LISTEN_RATE_HZ
from voiceserver.engine.messages import UserAudio
from voiceserver.metrics import Metrics
from voiceserver.session import notices as n

_SAMPLE_BYTES = 2


def observe(notice: n.Effect, metrics: Metrics, voice_rate_hz: int) -> None:
    """Count one notice."""
    match notice:
        case n.TellEngine(UserAudio(pcm16=pcm16)):
            metrics.audio_in_s.inc(len(pcm16) / (_SAMPLE_BYTES * LISTEN_RATE_HZ))
        case n.Committed():
            metrics.turns.inc()
        case n.ReplyAudio(pcm16=pcm16, late=late):
            metrics.audio_out_s.inc(len(pcm16) / (_SAMPLE_BYTES * voice_rate_hz))
            if late:
                metrics.audio_late.inc()
        case n.ReplyDone(reply):
            metrics.replies.labels(reply.status).inc()
            metrics.audio_concealed.inc(reply.concealed_frames)
            metrics.tool_calls.inc(len(reply.calls))
            if reply.thinker_failure:
                metrics.thinker_failures.labels(reply.thinker_failure).inc()
        case n.Failure(code=code):
            metrics.errors.labels(code).inc()
        case n.TurnTimed(end_of_turn_ms=end_of_turn_ms, first_audio_ms=first_audio_ms):
            if end_of_turn_ms is not None:
                metrics.end_of_turn_s.observe(max(0.0, end_of_turn_ms / 1000))
            if first_audio_ms is not None:
                metrics.first_audio_s.observe(max(0.0, first_audio_ms / 1000))
        case n.InterruptionTimed(stopped_ms=stopped_ms):
            metrics.interruptions.inc()
            metrics.interruption_s.observe(max(0.0, stopped_ms / 1000))
