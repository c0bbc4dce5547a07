"""The engine process: one socket to the gateway, one loop, and sleep in between.

The gateway listens on a Unix socket and this process connects. It ends when that socket closes or
on SIGTERM; it keeps nothing that a successor would need.
"""

from __future__ import annotations

import gc
import selectors
import signal
import socket
from collections.abc import Callable

from voiceserver.clock import MonotonicClock
from voiceserver.config import EngineConfig
from voiceserver.engine import wire
from voiceserver.engine.family import Family
from voiceserver.engine.loop import Loop
from voiceserver.engine.messages import FromEngine, ToEngine

RECEIVE_BYTES = 2**18
# A gateway that reads nothing for this long is as good as gone.
SEND_TIMEOUT_S = 30.0


class Doorbell:
    """Wakes the sleeping process from another thread or a signal handler."""

    def __init__(self) -> None:
        self._hear, self._ring = socket.socketpair()
        self._hear.setblocking(False)
        self._ring.setblocking(False)

    def fileno(self) -> int:
        return self._hear.fileno()

    def ring(self) -> None:
        try:
            self._ring.send(b"!")
        except BlockingIOError:
            return  # it has been rung often enough to be heard

    def silence(self) -> None:
        """Forget the rings so far."""
        try:
            while self._hear.recv(4096):
                pass
        except BlockingIOError:
            return


class GatewayLink:
    """The socket to the gateway, in whole messages."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(SEND_TIMEOUT_S)
        self._socket.connect(path)
        self._splitter = wire.Splitter()

    def fileno(self) -> int:
        return self._socket.fileno()

    def receive(self) -> list[ToEngine] | None:
        """Messages that have arrived; None when the gateway has gone. Call when readable."""
        data = self._socket.recv(RECEIVE_BYTES)
        if not data:
            return None
        return self._splitter.feed(data)  # type: ignore[return-value]  # the gateway sends only these

    def send(self, messages: list[FromEngine]) -> None:
        self._socket.sendall(b"".join(wire.encode(message) for message in messages))

    def close(self) -> None:
        self._socket.close()


def serve(socket_path: str, config: EngineConfig, load: Callable[[Doorbell], Family]) -> None:
    """Connect, load, and run the loop until the gateway goes or SIGTERM comes."""
    doorbell = Doorbell()
    asked_to_end = False

    def end(_signal: int, _frame: object) -> None:
        nonlocal asked_to_end
        asked_to_end = True
        doorbell.ring()

    signal.signal(signal.SIGTERM, end)
    link = GatewayLink(socket_path)
    family = load(doorbell)
    # What is there now lives for ever: searching all of it for garbage again took 100 ms.
    gc.collect()
    gc.freeze()
    loop = Loop(family, config, MonotonicClock())
    try:
        link.send([loop.ready()])
        _run(loop, link, doorbell, lambda: asked_to_end)
    except (BrokenPipeError, ConnectionResetError, TimeoutError):
        return  # the gateway has gone, which is one of the two ways this process ends
    finally:
        link.close()
        family.shut_down()


def _run(loop: Loop, link: GatewayLink, doorbell: Doorbell, ended: Callable[[], bool]) -> None:
    with selectors.DefaultSelector() as selector:
        selector.register(link, selectors.EVENT_READ)
        selector.register(doorbell, selectors.EVENT_READ)
        while not ended():
            for key, _ in selector.select(loop.idle_s()):
                if key.fileobj is doorbell:
                    doorbell.silence()
                    continue
                messages = link.receive()
                if messages is None:
                    return
                loop.put(messages)
            link.send(loop.tick())
