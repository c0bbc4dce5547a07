"""A server of one's own for a command that was given none: a child process, gone when done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx

from voiceserver.errors import VoiceserverError

READY_LINE = "voiceserver is ready: open "  # what `voiceserver serve` prints before the address
START_S = 600.0  # a first start may have 300 MB to fetch
STOP_S = 15.0


@dataclass(frozen=True)
class RunningServer:
    url: str  # ws://...
    page: str  # http://...


def engine_pid(page: str) -> int:
    """Process id of the engine of the server at this address."""
    return int(httpx.get(f"{page}/health").json()["engine_pid"])


@contextmanager
def server_at(
    url: str | None, sessions: int | None = None, options: Sequence[str] = ()
) -> Iterator[RunningServer]:
    """The server at this address, or one of our own, with these options, in the meantime."""
    if url is not None:
        yield RunningServer(url, url.replace("ws", "http", 1))
        return
    command = [sys.executable, "-m", "voiceserver", "serve", "--host", "127.0.0.1", "--port", "0"]
    command += options
    if sessions is not None:
        command += ["--sessions", str(sessions)]
    environment = {key: value for key, value in os.environ.items() if key != "VOICESERVER_API_KEY"}
    with _ending_on_sigterm():
        yield from _own_server(command, environment)


def _own_server(command: list[str], environment: dict[str, str]) -> Iterator[RunningServer]:
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, env=environment
    )
    try:
        page = _wait_until_ready(process)
        yield RunningServer(page.replace("http", "ws", 1), page)
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Let SIGTERM unwind the stack, so that the child process does not outlive this one."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _wait_until_ready(process: subprocess.Popen[str]) -> str:
    """The page's address, from the line that says so. Later output is read and dropped."""
    assert process.stdout is not None
    timer = threading.Timer(START_S, process.kill)
    timer.start()
    last: deque[str] = deque(maxlen=1)
    try:
        for line in process.stdout:
            if line.startswith(READY_LINE):
                threading.Thread(target=process.stdout.read, daemon=True).start()
                return line.removeprefix(READY_LINE).strip()
            last.append(line.strip())
    finally:
        timer.cancel()
    process.wait()
    reason = f" ({last[0]})" if last else "; the reason is above"
    raise VoiceserverError(f"the server did not start{reason}")
