"""Every counter and histogram, in a registry of their own: each server starts from zero."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_LATENCY_BUCKETS_S = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)


class Metrics:
    """What one server measures about itself."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.sessions = Gauge("voiceserver_sessions", "Sessions open now", registry=registry)
        self.sessions_total = self._counter("voiceserver_sessions_opened", "Sessions opened")
        self.sessions_refused = self._counter(
            "voiceserver_sessions_refused", "Connections refused", "reason"
        )
        self.turns = self._counter("voiceserver_turns", "User turns committed")
        self.replies = self._counter("voiceserver_replies", "Replies ended, by status", "status")
        self.interruptions = self._counter(
            "voiceserver_interruptions", "Replies ended by the user's voice"
        )
        self.errors = self._counter("voiceserver_errors", "Error events sent, by code", "code")
        self.audio_in_s = self._counter("voiceserver_audio_in_seconds", "User audio received")
        self.audio_out_s = self._counter(
            "voiceserver_audio_out_seconds", "Assistant audio queued to clients"
        )
        self.audio_dropped = self._counter(
            "voiceserver_audio_dropped_pieces",
            "Pieces of assistant audio dropped because their reader was slow",
        )
        self.audio_late = self._counter(
            "voiceserver_audio_late",
            "Pieces of assistant audio that came after the listener had run out of sound",
        )
        self.audio_concealed = self._counter(
            "voiceserver_audio_concealed_frames",
            "Frames whose codes were no sound and that were covered up, of replies that ended",
        )
        self.thinker_failures = self._counter(
            "voiceserver_thinker_failures",
            "Replies that the thinker's endpoint did not finish, by reason",
            "reason",
        )
        self.tool_calls = self._counter(
            "voiceserver_tool_calls", "Functions the assistant asked for"
        )
        self.engine_restarts = self._counter(
            "voiceserver_engine_restarts", "Engine processes that died"
        )
        self.engine_up = Gauge(
            "voiceserver_engine_up", "Whether the engine is ready", registry=registry
        )
        self.end_of_turn_s = self._latency(
            "voiceserver_end_of_turn_seconds", "Last word to the decision that the turn is over"
        )
        self.first_audio_s = self._latency(
            "voiceserver_first_audio_seconds", "Last word to the first audio of the reply"
        )
        self.interruption_s = self._latency(
            "voiceserver_interruption_seconds", "First interrupting word to the reply's end"
        )

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(name, what, labels, registry=self.registry)

    def _latency(self, name: str, what: str) -> Histogram:
        return Histogram(name, what, buckets=_LATENCY_BUCKETS_S, registry=self.registry)

    def page(self) -> bytes:
        """Everything in the Prometheus text format."""
        return generate_latest(self.registry)
