"""The gateway's side of the engine: keeps one engine process alive and passes messages to and fro.

When the process dies every session is told, its successor, which has been waiting with everything
imported, is started at once, and the sessions are opened again in it. Conversations live in the
sessions, not here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from typing import Protocol

from voiceserver.config import EngineConfig
from voiceserver.engine.messages import (
    CloseSession,
    EngineReady,
    FromEngine,
    OpenSession,
    SessionOpened,
    SessionRefused,
    ToEngine,
)
from voiceserver.errors import EngineUnavailable
from voiceserver.gateway.engine_process import EngineProcess, engine_command
from voiceserver.metrics import Metrics

log = logging.getLogger("voiceserver.gateway")

FIRST_READY_S = 180.0  # loading weights on a busy two-core machine
REOPEN_WAIT_S = 30.0  # how long a newcomer waits for an engine that is restarting
ANSWER_S = 15.0  # an engine that owes an answer and says nothing for so long is stuck
SPARE_AFTER_S = 5.0  # after an engine is ready: the first caller gets the processor first
_LONGEST_PAUSE_S = 5.0  # between attempts, when engines die before they are ready


class _EngineDied(EngineUnavailable):
    """The process ended while it was asked for something."""


class EngineListener(Protocol):
    """One session's ear towards the engine. Called on the event loop; must not block."""

    def engine_said(self, message: FromEngine) -> None: ...

    def engine_lost(self) -> None:
        """The process died; nothing more comes for what was asked of it."""

    def engine_back(self) -> None:
        """A new process has opened this session."""

    def engine_refused(self, reason: str) -> None:
        """A new process would not open this session."""


class EngineClient:
    """Supervises the engine process."""

    def __init__(
        self, config: EngineConfig, metrics: Metrics, command: Sequence[str] | None = None
    ) -> None:
        self._command = command or engine_command(config)
        self._metrics = metrics
        self._process: EngineProcess | None = None
        self._spare = EngineProcess(self._command)  # the next process to be started
        self._spawning: asyncio.Task[None] | None = None
        self._listeners: dict[str, EngineListener] = {}
        self._opening: dict[str, asyncio.Future[None]] = {}
        self._ready_event = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None
        self.ready: EngineReady | None = None
        self._messages_heard = 0

    @property
    def pid(self) -> int | None:
        """Process id of the engine, for tests and diagnostics."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Start the engine and wait until it is ready; raise if it cannot be started at all."""
        self._supervisor = asyncio.create_task(self._supervise(), name="engine supervisor")
        waiting = asyncio.create_task(self._ready_event.wait())
        await asyncio.wait(
            {waiting, self._supervisor},
            timeout=FIRST_READY_S,
            return_when=asyncio.FIRST_COMPLETED,
        )
        waiting.cancel()
        if not self._ready_event.is_set():
            failed = self._supervisor.done() and not self._supervisor.cancelled()
            error = self._supervisor.exception() if failed else None
            await self.stop()
            raise EngineUnavailable(str(error) if error else "The engine did not become ready.")

    async def stop(self) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError, EngineUnavailable):
                await self._supervisor
        await self._stop_spawning()
        await self._spare.stop()

    # --- sessions ----------------------------------------------------------------------------

    async def open(self, session_id: str, listener: EngineListener) -> None:
        """Get a slot for a session; its messages go to `listener` until `close`."""
        try:
            async with asyncio.timeout(REOPEN_WAIT_S):
                while not await self._opened_in_present_engine(session_id, listener):
                    pass  # that engine died; the next one may do better
        except TimeoutError:
            raise EngineUnavailable("The speech engine is not running.") from None

    async def _opened_in_present_engine(self, session_id: str, listener: EngineListener) -> bool:
        """Wait for an engine and ask it for a slot; False if it dies before it answers."""
        await self._ready_event.wait()
        process = self._process
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._opening[session_id] = opened
        self._listeners[session_id] = listener
        self.send(OpenSession(session_id))
        try:
            await self._answered(opened, process)
            opened.result()
        except _EngineDied:
            self.close(session_id)
            return False
        except BaseException:
            self.close(session_id)
            raise
        finally:
            del self._opening[session_id]
        return True

    async def _answered(self, opened: asyncio.Future[None], process: EngineProcess | None) -> None:
        """Wait for the answer. One that is busy with others is let be; a stuck engine is ended."""
        while not opened.done():
            heard = self._messages_heard
            await asyncio.wait({opened}, timeout=ANSWER_S)
            stuck = not opened.done() and self._messages_heard == heard
            if stuck and process is self._process and process is not None:
                log.error("the engine does not answer; ending it")
                process.kill()
                await asyncio.wait({opened})

    def close(self, session_id: str) -> None:
        """Give the slot back."""
        if self._listeners.pop(session_id, None) is not None:
            self.send(CloseSession(session_id))

    def send(self, message: ToEngine) -> None:
        """Pass a message on; while there is no engine it is lost, and the session knows."""
        if self._process is not None and self.ready is not None:
            self._process.send(message)

    # --- the process -------------------------------------------------------------------------

    async def _supervise(self) -> None:
        """Run one engine after another; give up only if the very first never becomes ready."""
        pause_s = 0.0
        ever_ready = False
        while True:
            was_ready = await self._one_life()
            ever_ready = ever_ready or was_ready
            if not ever_ready:
                raise EngineUnavailable("The engine process ended before it was ready.")
            self._metrics.engine_restarts.inc()
            pause_s = 0.0 if was_ready else min(_LONGEST_PAUSE_S, pause_s * 2 + 0.25)
            log.error("the engine process ended; starting it again in %.2f s", pause_s)
            await asyncio.sleep(pause_s)

    async def _one_life(self) -> bool:
        """Run the engine until it ends; return whether it was ever ready."""
        await self._stop_spawning()
        process = self._process = self._spare
        self._spare = EngineProcess(self._command)
        was_ready = False
        try:
            await process.start()
            async for message in process.messages():
                try:
                    self._take(message)
                except Exception:  # one session's trouble must not end the others
                    log.exception("a message of the engine could not be handled")
        except EngineUnavailable as error:
            log.error("%s", error)
        finally:
            was_ready = self.ready is not None
            self._gone()
            await process.stop()
        return was_ready

    async def _spawn_spare(self) -> None:
        await asyncio.sleep(SPARE_AFTER_S)
        await self._spare.spawn()

    async def _stop_spawning(self) -> None:
        if self._spawning is not None:
            self._spawning.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._spawning

    def _gone(self) -> None:
        """The process is no longer there: tell everybody at once."""
        was_ready, self.ready, self._process = self.ready is not None, None, None
        self._ready_event.clear()
        self._metrics.engine_up.set(0)
        for future in self._opening.values():
            if not future.done():
                future.set_exception(_EngineDied("The speech engine stopped."))
        for session_id, listener in list(self._listeners.items()):
            if was_ready and session_id not in self._opening:
                listener.engine_lost()

    def _take(self, message: FromEngine) -> None:
        self._messages_heard += 1
        match message:
            case EngineReady():
                self.ready = message
                self._metrics.engine_up.set(1)
                self._spawning = asyncio.create_task(self._spawn_spare(), name="spare engine")
                for session_id in self._listeners.keys() - self._opening.keys():
                    self.send(OpenSession(session_id))
                self._ready_event.set()
            case SessionOpened(session_id):
                if (future := self._opening.get(session_id)) is not None:
                    if not future.done():
                        future.set_result(None)
                elif (listener := self._listeners.get(session_id)) is not None:
                    listener.engine_back()
            case SessionRefused(session_id, reason):
                if (future := self._opening.get(session_id)) is not None:
                    if not future.done():
                        future.set_exception(EngineUnavailable(reason))
                elif (listener := self._listeners.get(session_id)) is not None:
                    listener.engine_refused(reason)
            case _:
                if (listener := self._listeners.get(message.session_id)) is not None:
                    listener.engine_said(message)
