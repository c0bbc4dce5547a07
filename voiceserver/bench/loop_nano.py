"""Loads nano into a loop with a simulated clock, for `bench loop`."""

from __future__ import annotations

from voiceserver.threads import prepare_threads

prepare_threads()  # before torch is imported

from voiceserver.bench import loop as bench  # noqa: E402
from voiceserver.bench.report import Report  # noqa: E402
from voiceserver.clock import FakeClock  # noqa: E402
from voiceserver.config import EngineConfig  # noqa: E402
from voiceserver.engine.__main__ import nano_files  # noqa: E402
from voiceserver.engine.loop import Loop  # noqa: E402
from voiceserver.engine.nano.model import Nano  # noqa: E402


def run(sessions: int, seconds: float) -> Report:
    """Work of 160 ms, with nano's real weights."""
    clock = FakeClock()

    def load(config: EngineConfig) -> Loop:
        family = Nano.load(nano_files(), sessions, lambda: None, config)
        return Loop(family, config, clock)

    return bench.nano(load, clock, sessions, seconds)
