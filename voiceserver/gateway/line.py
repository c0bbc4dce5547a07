"""What every protocol's connection is: a client's session, joined to the engine, with an end.

Everything between a message and its consequences is synchronous, so a reply is stopped before any
socket is written to.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from abc import ABC, abstractmethod
from typing import Any

from voiceserver.engine.messages import FromEngine
from voiceserver.errors import ClientError
from voiceserver.gateway.observing import observe
from voiceserver.gateway.services import Services
from voiceserver.session import notices as n
from voiceserver.session.items import Item
from voiceserver.session.session import Session
from voiceserver.session.settings import SessionSettings

log = logging.getLogger("voiceserver.gateway")

# Codes of a WebSocket's close frame; other transports know only that it is over.
CLOSE_NORMAL, CLOSE_GOING_AWAY, CLOSE_RESTART, CLOSE_TRY_LATER = 1000, 1001, 1012, 1013


def new_id(prefix: str) -> str:
    """An identifier never given before."""
    return f"{prefix}_{secrets.token_hex(12)}"


class Line(ABC):
    """One client from its beginning to its end. The engine's listener for its session."""

    def __init__(self, services: Services, settings: SessionSettings) -> None:
        self.session_id = new_id("sess")
        self._services = services
        self._session = Session(self.session_id, settings, services.limits, new_id)
        self._tasks: set[asyncio.Task[None]] = set()  # besides receiving and sending
        self._ending: asyncio.Future[tuple[int, str]] | None = None

    # --- what a protocol is ------------------------------------------------------------------

    @abstractmethod
    async def _open(self) -> None:
        """Tell the client that it has been let in."""

    @abstractmethod
    async def _receive_all(self) -> None:
        """Take what the client sends until it leaves."""

    @abstractmethod
    async def _send_all(self) -> None:
        """Send the client what is queued for it, as long as there is a session."""

    @abstractmethod
    async def _close(self, code: int, reason: str) -> None:
        """Send what is still queued and hang up; `_send_all` is still running."""

    @abstractmethod
    def _tell_client(self, notice: n.Effect) -> None:
        """Let the client know, in its protocol's words."""

    @abstractmethod
    def _fail(self, message: str, code: str, kind: str = "invalid_request_error") -> None:
        """Something went wrong; the session lives on."""

    # --- life --------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve a client whose session the engine has opened, until it or we end it."""
        self.engine_ready()
        self._ending = asyncio.get_running_loop().create_future()
        await self._open()
        tasks: set[asyncio.Future[Any]] = {
            asyncio.ensure_future(self._receive_all()),
            asyncio.ensure_future(self._send_all()),
            asyncio.ensure_future(self._expire()),
            self._ending,
        }
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if self._ending.done():
                await self._close(*self._ending.result())
        finally:
            tasks |= self._tasks
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception):
                    log.error("%s ended by an error", self.session_id, exc_info=outcome)

    def end(self, code: int, reason: str) -> None:
        """Have the connection closed, once what is queued has been sent."""
        if self._ending is not None and not self._ending.done():
            self._ending.set_result((code, reason))

    def server_stops(self) -> None:
        """The server is shutting down."""
        self.end(CLOSE_RESTART, "the server is shutting down")

    # --- what the model may do with the call --------------------------------------------------

    can_transfer = False

    def hang_up(self) -> None:
        """End the call."""
        self.end(CLOSE_NORMAL, "the assistant has hung up")

    async def transfer(self, target: str) -> None:
        """Hand the caller over to somebody else, who then has them; raises ClientError."""
        raise ClientError("This line cannot transfer calls.", code="transfer_not_possible")

    def _end_call(self, asked: n.EndCall) -> None:
        self._tell_client(asked)
        if asked.target is None:
            self.hang_up()
            return
        task = asyncio.create_task(self._hand_over(asked.item, asked.target))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hand_over(self, item: Item, target: str) -> None:
        try:
            await self.transfer(target)
        except ClientError as error:
            log.info("%s: %s", self.session_id, error)
            now_s = self._services.clock.now_s()
            self._session.call_control.failed(item, str(error), now_s)
            self._flush()

    @property
    def busy(self) -> bool:
        """Whether a reply is under way."""
        return self._session.speaker.active is not None

    async def _expire(self) -> None:
        limit_s = self._services.limits.session_s
        await asyncio.sleep(limit_s)
        self._fail(f"Your session hit the maximum duration of {limit_s:g} s.", "session_expired")
        self.end(CLOSE_GOING_AWAY, "session_expired")

    # --- from the engine ---------------------------------------------------------------------

    def engine_ready(self) -> None:
        """Learn what the present engine's voice is like."""
        ready = self._services.engine.ready
        if ready is not None:
            self._session.engine_ready(
                ready.voice_rate_hz,
                hears_audio=ready.hears_audio,
                calls_tools=ready.calls_tools,
                reads_images=ready.reads_images,
                reads_ahead=ready.reads_ahead,
                speaks_verbatim=ready.speaks_verbatim,
                dialogue_chars=ready.dialogue_chars,
                continuous=ready.continuous,
            )

    def engine_said(self, message: FromEngine) -> None:
        try:
            self._session.engine_said(message, self._services.clock.now_s())
            self._flush()
        except Exception:
            log.exception("%s: an engine message could not be handled", self.session_id)
            self._fail("The server had an internal error.", "internal_error", "server_error")

    def engine_lost(self) -> None:
        self._session.engine_lost(self._services.clock.now_s())
        self._flush()

    def engine_back(self) -> None:
        self.engine_ready()
        self._session.engine_back()
        self._flush()

    def engine_refused(self, reason: str) -> None:
        self._fail(f"The restarted engine has no place for this session: {reason}", "no_slot")
        self.end(CLOSE_TRY_LATER, "no slot")

    # --- out ---------------------------------------------------------------------------------

    def _flush(self) -> None:
        """Carry out everything the session wants done."""
        for effect in self._session.drain():
            observe(effect, self._services.metrics, self._session.speaker.voice_rate_hz)
            if isinstance(effect, n.TellEngine):
                self._services.engine.send(effect.message)
            elif isinstance(effect, n.Remind):
                self._remind(effect.in_s)
            elif isinstance(effect, n.EndCall):
                self._end_call(effect)
            else:
                self._tell_client(effect)

    def _remind(self, in_s: float) -> None:
        """Let the session know when this time has passed."""

        async def wait() -> None:
            await asyncio.sleep(in_s)
            self._session.reminded(self._services.clock.now_s())
            self._flush()

        task = asyncio.create_task(wait())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
