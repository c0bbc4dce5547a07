"""Which configuration a server runs with: defaults, then the environment, then options."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from voiceserver.cli import main as command_line
from voiceserver.cli import running, serve
from voiceserver.config import McpConfig, ServerConfig, SipConfig, ThinkerConfig
from voiceserver.errors import VoiceserverError

Serve = Callable[..., ServerConfig]
URL = "http://127.0.0.1:11434/v1"


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """What `voiceserver serve` with these arguments would run."""
    found: list[ServerConfig] = []

    def run(config: ServerConfig, listener: socket.socket, address: str, level: str) -> None:
        assert config.port == listener.getsockname()[1]
        listener.close()
        found.append(dataclasses.replace(config, port=0))

    def call(*arguments: str, **environment: str) -> ServerConfig:
        for name in ("HOST", "PORT"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        if "PORT" not in environment:
            arguments = ("--port", "0", *arguments)
        monkeypatch.setattr("sys.argv", ["voiceserver", "serve", *arguments])
        with pytest.raises(SystemExit) as exit:
            command_line.main()
        if exit.value.code:
            raise VoiceserverError("refused")
        return found.pop()

    monkeypatch.setattr(running, "run", run)
    monkeypatch.setattr(serve, "fetch", lambda config, family: None)
    return call


DEFAULT = ServerConfig(port=0)
OPTIONS: list[tuple[list[str], dict[str, Any]]] = [
    ([], {}),
    (["--host", "localhost", "--device", "cpu"], {"host": "localhost", "device": "cpu"}),
    (["--model", "mini-omni", "--weights", "w"], {"model": "mini-omni", "weights": Path("w")}),
    (["--turn-taking", "energy"], {"turn_taking": "energy"}),
    (["--turn-taking", ""], {}),
    (["--audiosocket", "127.0.0.1:9"], {"audiosocket": "127.0.0.1:9"}),
    (["--sip", "127.0.0.1:0"], {"sip": SipConfig("127.0.0.1:0")}),
    (["--thinker-folder", "f"], {"thinker_folder": Path("f")}),
    (["--thinker-model", "m"], {}),  # of nothing
    (["--thinker", URL, "--thinker-model", "m"], {"thinker": ThinkerConfig(URL, "m")}),
    (["--mcp-hosts", ""], {"mcp_hosts": ()}),
    (["--mcp-hosts", "local a:9"], {"mcp_hosts": ("local", "a:9")}),
]


@pytest.mark.parametrize(("arguments", "changed"), OPTIONS)
def test_options_stand_over_defaults(
    configured: Serve, arguments: list[str], changed: dict[str, Any]
) -> None:
    assert configured(*arguments) == dataclasses.replace(DEFAULT, **changed)


def test_everything_that_is_said_about_a_thinker(configured: Serve) -> None:
    options = ["--thinker", URL, "--thinker-model", "m", "--thinker-key", "K"]
    options += ["--thinker-patience", "3", "--thinker-images", "--hang-up", "--sessions", "2"]
    options += ["--transfer-to", "Ann=1", "--transfer-to", "Bob=2", "--mcp", f"town={URL}"]
    found = configured(*options)
    assert found.thinker == ThinkerConfig(URL, "m", "K", 3.0, True)
    assert (found.hang_up, found.limits.sessions) == (True, 2)
    assert found.transfer_to == (("Ann", "1"), ("Bob", "2"))
    assert found.mcp == (McpConfig("town", URL),)


ENVIRONMENT = {
    "VOICESERVER_THINKER": URL,
    "VOICESERVER_THINKER_MODEL": "m",
    "VOICESERVER_THINKER_IMAGES": "1",
    "VOICESERVER_HANG_UP": "1",
    "VOICESERVER_MAX_SESSIONS": "3",
    "VOICESERVER_TRANSFER_TO": "Ann=1",
    "VOICESERVER_MCP": f"town={URL}",
    "VOICESERVER_MCP_HOSTS": "local",
    "VOICESERVER_TURN_TAKING": "energy",
    "VOICESERVER_API_KEY": "secret",
}


def test_options_stand_over_the_environment(configured: Serve) -> None:
    before = configured(**ENVIRONMENT)
    assert before == dataclasses.replace(ServerConfig.from_environment(), port=0)
    assert before.thinker == ThinkerConfig(URL, "m", images=True)
    other = "http://127.0.0.1:9/v1"
    assert configured("--thinker", other).thinker == ThinkerConfig(other, "m", images=True)
    found = configured("--thinker-model", "n", "--no-thinker-images", "--thinker-key", "K")
    assert found.thinker == ThinkerConfig(URL, "n", "K")
    found = configured("--no-hang-up", "--sessions", "1", "--transfer-to", "Bob=2")
    assert (found.hang_up, found.limits.sessions) == (False, 1)
    assert found.transfer_to == (("Bob", "2"),)
    assert found.api_key == "secret"


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "70000"],
        ["--device", "tpu"],
        ["--model", "unknown"],
        ["--weights", "w"],
        ["--turn-taking", "telepathy"],
        ["--thinker", URL],
        ["--thinker", "", "--thinker-model", "m"],
        ["--thinker", "ftp://x", "--thinker-model", "m"],
        ["--thinker", URL, "--thinker-model", "m", "--thinker-folder", "f"],
        ["--thinker", URL, "--thinker-model", "m", "--model", "mini-omni"],
        ["--hang-up"],
        ["--transfer-to", "Ann=1"],
        ["--mcp", f"town={URL}"],
        ["--thinker", URL, "--thinker-model", "m", "--mcp", "town=nowhere"],
        ["--device", "cuda"],
        ["--audiosocket", "somewhere"],
        ["--sip", "somewhere"],
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    configured: Serve, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(VoiceserverError, match="refused"):
        configured(*arguments)
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert configured() == DEFAULT
