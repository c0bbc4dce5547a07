"""What the gateway asks of the engine process is what the engine is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from voiceserver.config import EngineConfig, ServerConfig, ThinkerConfig
from voiceserver.engine import __main__ as engine
from voiceserver.errors import VoiceserverError
from voiceserver.gateway.engine_process import engine_command


@pytest.mark.parametrize(
    "config",
    [
        EngineConfig(),
        EngineConfig(thinker_folder=Path("/some where/model"), device="cuda"),
        EngineConfig(thinker=ThinkerConfig("http://here/v1", "a model", "A_KEY", 3.0, images=True)),
        EngineConfig(
            "mini-omni", 3, 0.2, 7, Path("/some where/weights"), "cpu", turn_taking="energy"
        ),
    ],
)
def test_every_setting_arrives(monkeypatch: pytest.MonkeyPatch, config: EngineConfig) -> None:
    told: list[EngineConfig] = []
    monkeypatch.setattr(engine, "serve", lambda socket, config, load: told.append(config))
    monkeypatch.setattr(engine, "called", lambda family: True)
    monkeypatch.setattr(engine.signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", [*engine_command(config)[2:], "a-socket"])
    assert engine.main() == 0
    assert told == [config]


def test_an_unknown_model_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(engine.signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["engine", "--socket=x", "--model=huge"])
    assert engine.main() == 1
    assert "engine: no model named huge" in capsys.readouterr().err


def test_the_environment_gives_weights_and_device(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (ServerConfig().weights, ServerConfig().device) == (None, "auto")
    monkeypatch.setenv("VOICESERVER_WEIGHTS", "/weights")
    monkeypatch.setenv("VOICESERVER_DEVICE", "cuda")
    config = ServerConfig.from_environment()
    assert (config.weights, config.device) == (Path("/weights"), "cuda")


def test_the_environment_says_who_takes_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICESERVER_TURN_TAKING", "energy")
    assert ServerConfig.from_environment().turn_taking == "energy"
    monkeypatch.setenv("VOICESERVER_TURN_TAKING", "coin")
    with pytest.raises(VoiceserverError, match="duplex, smart-turn, energy"):
        ServerConfig.from_environment()
