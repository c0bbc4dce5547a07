"""One life of the engine process: spawned, connected over a private unix socket, read to its end.

A process may be spawned long before it is started: it then has imported what it needs, which is
half of what starting takes. Does not restart anything and knows no sessions; `engine_client` does.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from voiceserver.config import EngineConfig, ThinkerConfig
from voiceserver.engine.messages import FromEngine, ToEngine
from voiceserver.engine.wire import Splitter, encode
from voiceserver.errors import EngineUnavailable

_READ_BYTES = 1 << 16
_CONNECT_S = 60.0  # importing torch on a busy machine takes a while
_TERMINATE_S = 3.0


def engine_command(config: EngineConfig) -> list[str]:
    """How the real engine is started; the socket's path is appended."""
    weights = [] if config.weights is None else [f"--weights={config.weights}"]
    folder = config.thinker_folder
    return [
        sys.executable,
        "-m",
        "voiceserver.engine",
        "--on-call",
        f"--model={config.model}",
        f"--slots={config.slots}",
        f"--run-ahead={config.run_ahead_s}",
        f"--seed={config.seed}",
        f"--device={config.device}",
        f"--turn-taking={config.turn_taking}",
        *weights,
        *([] if folder is None else [f"--thinker-folder={folder}"]),
        *([] if config.thinker is None else _thinker_options(config.thinker)),
        "--socket",
    ]


def _thinker_options(thinker: ThinkerConfig) -> list[str]:
    """The key itself is in the environment, which the engine inherits."""
    return [
        f"--thinker={thinker.url}",
        f"--thinker-model={thinker.model}",
        f"--thinker-key={thinker.key_variable}",
        f"--thinker-patience={thinker.patience_s}",
        *(["--thinker-images"] if thinker.images else []),
    ]


class EngineProcess:
    """An engine. `spawn` it ahead of need or not, `start`, iterate `messages`, then `stop`."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = list(command)
        self._folder = tempfile.TemporaryDirectory(prefix="voiceserver-")
        self._process: asyncio.subprocess.Process | None = None
        self._server: asyncio.Server | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def _socket_path(self) -> Path:
        return Path(self._folder.name) / "engine.sock"

    async def spawn(self) -> None:
        """Have a process that waits to be started, with nothing loaded."""
        if self._process is None or self._process.returncode is not None:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, str(self._socket_path), stdin=asyncio.subprocess.PIPE
            )

    async def start(self) -> None:
        """Call the process to work and wait until it has connected."""
        connected = asyncio.Event()

        def on_connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._reader, self._writer = reader, writer
            connected.set()

        self._server = await asyncio.start_unix_server(on_connect, self._socket_path)
        await self.spawn()
        assert self._process is not None, "spawned above"
        assert self._process.stdin is not None, "spawned with a pipe"
        self._process.stdin.write(b"\n")
        ended = asyncio.ensure_future(self._process.wait())
        there = asyncio.ensure_future(connected.wait())
        try:
            await asyncio.wait(
                {ended, there}, timeout=_CONNECT_S, return_when=asyncio.FIRST_COMPLETED
            )
            if not there.done():
                why = f"exited with {ended.result()}" if ended.done() else "did not connect"
                raise EngineUnavailable(f"The engine process {why}.")
        finally:
            ended.cancel()
            there.cancel()

    async def messages(self) -> AsyncIterator[FromEngine]:
        """What the engine says, until it closes the connection or dies."""
        assert self._reader is not None, "the engine has not connected"
        splitter = Splitter()
        with contextlib.suppress(ConnectionError):
            while data := await self._reader.read(_READ_BYTES):
                for message in splitter.feed(data):
                    yield message  # type: ignore[misc]  # the engine sends only FromEngine

    def send(self, message: ToEngine) -> None:
        """Hand a message over; what is buffered is bounded by each session's audio backlog."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(encode(message))

    def kill(self) -> None:
        """End a process that no longer answers; its messages end, too."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()

    async def stop(self) -> None:
        """End the process, by force if it does not go, and clean up."""
        if self._writer is not None:
            self._writer.close()
        if self._server is not None:
            self._server.close()
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
                try:
                    await asyncio.wait_for(process.wait(), _TERMINATE_S)
                except TimeoutError:
                    process.kill()
                    await process.wait()
        self._folder.cleanup()
