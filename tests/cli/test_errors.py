"""Every failure of the command line is one clear line and a non-zero exit."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf
from websockets.sync.server import ServerConnection, serve

from voiceserver.cli import main as command_line

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in this process: exit code, stdout, stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["voiceserver", *arguments])
        code = 0
        try:
            command_line.main()
        except SystemExit as exit:
            code = int(exit.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def question(tmp_path: Path) -> Path:
    """A sound file; what is in it does not matter here."""
    path = tmp_path / "question.wav"
    noise = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    sf.write(path, 0.1 * noise, 16000)
    return path


def _fails(result: tuple[int, str, str], words: str) -> None:
    code, out, err = result
    assert code == 1, (out, err)
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("voiceserver: ")
    assert words in lines[0]


def test_version(run: Run) -> None:
    code, out, _ = run("--version")
    assert code == 0
    assert out.startswith("voiceserver 0.")


def test_a_missing_question(run: Run, tmp_path: Path) -> None:
    _fails(run("ask", str(tmp_path / "no.wav"), "--out", str(tmp_path / "r.wav")), "does not exist")
    _fails(run("ask", str(tmp_path), "--out", str(tmp_path / "r.wav")), "is no file")


def test_a_question_that_is_no_sound(run: Run, tmp_path: Path) -> None:
    text = tmp_path / "text.wav"
    text.write_text("not a sound")
    _fails(run("ask", str(text), "--out", str(tmp_path / "r.wav")), "not a sound file")
    empty = tmp_path / "empty.wav"
    sf.write(empty, np.zeros(0, np.float32), 16000)
    _fails(run("ask", str(empty), "--out", str(tmp_path / "r.wav")), "holds no sound")


def test_a_reply_that_could_not_be_saved(run: Run, question: Path, tmp_path: Path) -> None:
    _fails(run("ask", str(question), "--out", str(tmp_path / "no" / "r.wav")), "cannot write")
    _fails(run("say", "hello", "--out", str(tmp_path)), "cannot write")


def test_nothing_to_say(run: Run, tmp_path: Path) -> None:
    _fails(run("say", "  ", "--out", str(tmp_path / "r.wav")), "nothing to say")


def test_a_wrong_address(run: Run, question: Path, tmp_path: Path) -> None:
    reply = str(tmp_path / "r.wav")
    _fails(run("ask", str(question), "--out", reply, "--url", "ftp://x"), "is not an address")


def test_a_server_that_is_not_there(run: Run, question: Path, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"ws://127.0.0.1:{free.getsockname()[1]}"
        result = run("ask", str(question), "--out", str(tmp_path / "r.wav"), "--url", url)
    _fails(result, "nobody listens there")


def test_a_server_that_is_full(run: Run, question: Path, tmp_path: Path) -> None:
    def refuse(connection: ServerConnection, request: object) -> object:
        body = json.dumps({"error": {"message": "This server serves at most 4 sessions at once"}})
        return connection.respond(HTTPStatus.TOO_MANY_REQUESTS, body)

    with serve(lambda connection: None, "127.0.0.1", 0, process_request=refuse) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
        result = run("ask", str(question), "--out", str(tmp_path / "r.wav"), "--url", url)
        server.shutdown()
    _fails(result, "at most 4 sessions")


def test_a_port_in_use(run: Run) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        _fails(run("serve", "--port", str(port)), f"port {port} is in use")


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_that_is_none(run: Run, port: str) -> None:
    _fails(run("serve", f"--port={port}"), "is not a port")


def test_a_setting_that_is_no_number(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "eight")
    _fails(run("serve"), "eight")


def test_an_unknown_model(run: Run) -> None:
    known = "no model named huge (there is mini-omni, mini-omni2, nano, sync-llm)"
    _fails(run("models", "pull", "huge"), known)
    _fails(run("serve", "--model", "huge", "--port=0"), known)


def test_what_a_model_cannot_take(run: Run, tmp_path: Path) -> None:
    _fails(run("serve", "--weights", str(tmp_path)), "nano does not take a folder of weights")
    _fails(run("serve", "--device", "cuda"), "nano runs on the CPU only")
    _fails(run("serve", "--turn-taking", "coin"), "it may be duplex, smart-turn, energy")
    for url in ("nonsense", "ftp://127.0.0.1/v1", "http://127.0.0.1:99999/v1", "http://[::1/v1"):
        _fails(run("serve", "--thinker", url, "--thinker-model=m"), "--thinker takes a URL")
    thinker = ("--thinker", "http://127.0.0.1:9/v1")
    _fails(run("serve", *thinker), "--thinker needs --thinker-model")
    folder = ("--thinker-folder", str(tmp_path))
    _fails(run("serve", *thinker, "--thinker-model=m", *folder), "--thinker-folder writes")
    _fails(run("serve", "--port=0", *folder), "is no checkpoint of a language model: config.json")
    _fails(run("serve", "--model=mini-omni", *folder), "writes its replies itself")
    _fails(run("serve", "--hang-up"), "nano calls no tools: that needs --thinker")
    _fails(run("serve", "--transfer-to", "sales"), "transferred to NAME=NUMBER")
    _fails(run("serve", *thinker, "--thinker-model=m", "--mcp", "town=ftp://x"), "--mcp takes")
    mini_omni = ("--model=mini-omni", *thinker, "--thinker-model=m")
    _fails(run("serve", *mini_omni), "writes its replies itself")
    _fails(run("serve", "--model=mini-omni", "--device=tpu"), "device tpu: it may be auto, cpu")
    _fails(run("serve", "--model=sync-llm", "--port=0"), "no weights of SyncLLM are published")


def test_a_folder_of_weights_that_is_not_complete(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lit_model.pth").write_bytes(b"")
    command = ("serve", "--model=mini-omni", "--port=0")
    lacks = "lacks model_config.yaml, tokenizer.json, small.pt, snac/config.json"
    _fails(run(*command, "--weights", str(tmp_path)), lacks)
    monkeypatch.setenv("VOICESERVER_WEIGHTS", str(tmp_path))
    _fails(run(*command), lacks)
    monkeypatch.setenv("VOICESERVER_DEVICE", "abacus")
    _fails(run(*command), "device abacus")


def test_weights_that_no_source_has(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VOICESERVER_CACHE", str(tmp_path))
    monkeypatch.setenv("VOICESERVER_ASSETS", str(tmp_path / "own"))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    result = run("serve", "--model=mini-omni", "--port=0")
    _fails(result, "no source gives model_config.yaml")
    _fails(result, "--weights FOLDER")


def test_an_unknown_command_is_a_usage_error(run: Run) -> None:
    code, _, err = run("sing")
    assert code == 2
    assert "No such command" in err
