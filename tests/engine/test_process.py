"""The engine process for real: started as the gateway starts it, with the real weights."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import soxr

from voiceserver.engine import wire
from voiceserver.engine.messages import (
    AudioDelta,
    ChatMessage,
    CloseSession,
    EndReason,
    EngineReady,
    FromEngine,
    OpenSession,
    PredictTurnEnd,
    Recognise,
    Recognised,
    Respond,
    ResponseEnded,
    SessionOpened,
    SpeechActivity,
    TextDelta,
    ToEngine,
    TurnEnd,
    UserAudio,
)
from voiceserver.scenes.kokoro import RATE_HZ, speak

pytestmark = pytest.mark.e2e
Message = TypeVar("Message")
PATIENCE_S = 120.0  # other work may share the machine


class Engine:
    """The process, and the gateway's end of its socket."""

    def __init__(self, folder: Path) -> None:
        path = folder / "engine.sock"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(path))
            listener.listen(1)
            listener.settimeout(PATIENCE_S)
            command = [sys.executable, "-m", "voiceserver.engine", "--socket", str(path)]
            self.process = subprocess.Popen(command)
            self.socket, _ = listener.accept()
        self.socket.settimeout(PATIENCE_S)
        self._splitter = wire.Splitter()

    def send(self, *messages: ToEngine) -> None:
        self.socket.sendall(b"".join(wire.encode(message) for message in messages))

    def until(self, last: Callable[[FromEngine], bool]) -> list[FromEngine]:
        """Everything up to and with the message that is asked for."""
        received: list[FromEngine] = []
        while not any(last(message) for message in received):
            data = self.socket.recv(2**18)
            assert data, f"the engine closed after {received[-3:]}"
            received += self._splitter.feed(data)  # type: ignore[arg-type]
        return received

    def cpu_s(self) -> float:
        """CPU time the process has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self.socket.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        self.process.wait()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(tmp_path)
    try:
        yield engine
    finally:
        engine.end()


def is_a(kind: type) -> Callable[[FromEngine], bool]:
    return lambda message: isinstance(message, kind)


def of(kind: type[Message], messages: list[FromEngine]) -> list[Message]:
    return [message for message in messages if isinstance(message, kind)]


def test_a_turn_and_the_end(engine: Engine) -> None:
    (ready,) = engine.until(is_a(EngineReady))
    assert isinstance(ready, EngineReady)
    assert (ready.model, ready.slots) == ("nano", 4)

    # Listening: what is said, that somebody speaks, and that the turn is over.
    question = soxr.resample(speak("What is the capital of France?"), RATE_HZ, 16_000)
    samples = (np.pad(question, (8000, 8000)) * 32767).astype("<i2")
    engine.send(OpenSession("a"), UserAudio("a", samples.tobytes()))
    engine.until(is_a(SessionOpened))
    heard = engine.until(
        lambda m: isinstance(m, SpeechActivity) and m.end_sample > len(samples) - 512
    )
    probabilities = [activity.probability for activity in of(SpeechActivity, heard)]
    assert max(probabilities) > 0.9
    assert min(probabilities[:10]) < 0.1
    engine.send(Recognise("a", 1, 0, len(samples), True), PredictTurnEnd("a", 2, 0, len(samples)))
    answers = engine.until(is_a(TurnEnd))
    if not of(Recognised, answers):
        answers += engine.until(is_a(Recognised))
    (recognised,), (turn_end,) = of(Recognised, answers), of(TurnEnd, answers)
    assert "capital of france" in recognised.text.lower()
    assert (recognised.request_id, turn_end.request_id) == (1, 2)
    assert turn_end.probability > 0.5

    # Speaking: text, sound and words that fit together.
    dialogue = (ChatMessage("user", recognised.text),)
    engine.send(Respond("a", 0, "r", dialogue, True, 60, 0.0))
    reply = engine.until(is_a(ResponseEnded))
    text = "".join(delta.text for delta in of(TextDelta, reply))
    sound_s = sum(len(delta.pcm16) / 2 for delta in of(AudioDelta, reply)) / ready.voice_rate_hz
    words = [word for delta in of(AudioDelta, reply) for word in delta.words]
    (ended,) = of(ResponseEnded, reply)
    assert "Paris" in text
    assert ended.reason is EndReason.COMPLETED
    assert ended.audio_frames > 0
    assert 0.2 < words[-1].end_s <= sound_s + 0.2
    assert " ".join(text[w.char_start : w.char_end].strip() for w in words) == text

    # Nobody speaks: no work.
    engine.send(CloseSession("a"))
    time.sleep(0.3)
    before_s = engine.cpu_s()
    time.sleep(1.0)
    assert engine.cpu_s() - before_s <= 0.03

    # SIGTERM ends it cleanly.
    engine.process.send_signal(signal.SIGTERM)
    assert engine.process.wait(PATIENCE_S) == 0


def test_the_engine_ends_when_the_gateway_goes(engine: Engine) -> None:
    engine.until(is_a(EngineReady))
    engine.send(OpenSession("a"), UserAudio("a", b"\1\2" * 5000))
    engine.send(Respond("a", 0, "r", (ChatMessage("user", "Tell me a story."),), True, 200, 0.0))
    engine.until(is_a(TextDelta))
    engine.socket.close()
    assert engine.process.wait(PATIENCE_S) == 0


def test_a_spare_engine_waits_to_be_called_and_ends_when_it_never_is(tmp_path: Path) -> None:
    path = tmp_path / "engine.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(1)
        command = [sys.executable, "-m", "voiceserver.engine", "--on-call", "--socket", str(path)]
        never, called = (subprocess.Popen(command, stdin=subprocess.PIPE) for _ in range(2))
        try:
            never.communicate(timeout=PATIENCE_S)  # the end of its input, as when a gateway dies
            assert never.returncode == 0
            listener.setblocking(False)
            with pytest.raises(BlockingIOError):  # neither has come yet
                listener.accept()
            assert called.stdin is not None
            called.stdin.write(b"\n")
            called.stdin.flush()
            listener.settimeout(PATIENCE_S)
            listener.accept()[0].close()
            assert called.wait(PATIENCE_S) == 0
        finally:
            called.kill()
            called.wait()
