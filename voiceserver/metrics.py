"""Every counter and histogram, in a registry of their own: each server starts from zero."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_LATENCY_BUCKETS_S = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.85, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)


class Metrics:
    """What one server measures about itself."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.sessions = Gauge("voiceserver_sessions", "Sessions open now", registry=registry)
        self.sessions_total = Counter(
            "voiceserver_sessions_opened", "Sessions opened", registry=registry
        )
        self.sessions_refused = Counter(
            "voiceserver_sessions_refused", "Connections refused", ["reason"], registry=registry
        )
        self.turns = Counter("voiceserver_turns", "User turns committed", registry=registry)
        self.replies = Counter(
            "voiceserver_replies", "Replies ended, by status", ["status"], registry=registry
        )
        self.interruptions = Counter(
            "voiceserver_interruptions", "Replies ended by the user's voice", registry=registry
        )
        self.errors = Counter(
            "voiceserver_errors", "Error events sent, by code", ["code"], registry=registry
        )
        self.audio_in_s = Counter(
            "voiceserver_audio_in_seconds", "User audio received", registry=registry
        )
        self.audio_out_s = Counter(
            "voiceserver_audio_out_seconds", "Assistant audio queued to clients", registry=registry
        )
        self.audio_dropped = Counter(
            "voiceserver_audio_dropped_pieces",
            "Pieces of assistant audio dropped because their reader was slow",
            registry=registry,
        )
        self.audio_late = Counter(
            "voiceserver_audio_late",
            "Pieces of assistant audio that came after the listener had run out of sound",
            registry=registry,
        )
        self.audio_concealed = Counter(
            "voiceserver_audio_concealed_frames",
            "Frames whose codes were no sound and that were covered up, of replies that ended",
            registry=registry,
        )
        self.thinker_failures = Counter(
            "voiceserver_thinker_failures",
            "Replies that the thinker's endpoint did not finish, by reason",
            ["reason"],
            registry=registry,
        )
        self.tool_calls = Counter(
            "voiceserver_tool_calls", "Functions the assistant asked for", registry=registry
        )
        self.engine_restarts = Counter(
            "voiceserver_engine_restarts", "Engine processes that died", registry=registry
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

    def _latency(self, name: str, what: str) -> Histogram:
        return Histogram(name, what, buckets=_LATENCY_BUCKETS_S, registry=self.registry)

    def page(self) -> bytes:
        """Everything in the Prometheus text format."""
        return generate_latest(self.registry)
