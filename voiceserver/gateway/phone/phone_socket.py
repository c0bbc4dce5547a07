"""What calls over WebSockets share: a start that must come, messages that may make no sense."""

from __future__ import annotations

import asyncio
import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Mapping

from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

from voiceserver.gateway.admission import Refused, admit, deny, serve
from voiceserver.gateway.auth import authorised
from voiceserver.gateway.codings import Coding
from voiceserver.gateway.line import CLOSE_NORMAL
from voiceserver.gateway.phone.telephone import CALL_SETTINGS, PhoneLine, Telephone
from voiceserver.gateway.services import Services
from voiceserver.gateway.state import GatewayState
from voiceserver.gateway.websocket_line import WebSocketLine

NOT_AUTHORISED = "call_not_authorised"
NOT_AUTHORISED_MESSAGE = "The call shows neither the API key nor a signature that is valid here."
START_S = 10.0  # a stream that has not begun by then is none


def by_key(connection: HTTPConnection, state: GatewayState) -> bool:
    """Whether a call shows the API key, if there is one."""
    return authorised(connection, state.config.api_key)


async def take_call(
    websocket: WebSocket,
    make: Callable[[Services], PhoneSocket],
    may_call: Callable[[HTTPConnection, GatewayState], bool] = by_key,
) -> None:
    """Let a call in and serve it to its end, or say why not."""
    state: GatewayState = websocket.app.state.gateway
    try:
        if not may_call(websocket, state):
            raise Refused(401, NOT_AUTHORISED, NOT_AUTHORISED_MESSAGE)
        call = await admit(state, lambda: make(state.services))
    except Refused as refused:
        await deny(websocket, state, refused)
        return
    await serve(call, state)


class PhoneSocket(PhoneLine, WebSocketLine):
    """One caller. The session listens from the moment the stream has started."""

    def __init__(self, websocket: WebSocket, services: Services, coding: Coding) -> None:
        super().__init__(websocket, services, CALL_SETTINGS)
        self._telephone = Telephone(self._session, coding, self)
        self._started = asyncio.Event()

    @abstractmethod
    def _read(self, frame: str | bytes) -> None:
        """Carry out one message; may raise ClientError."""

    async def _open(self) -> None:
        await super()._open()
        self._tasks.add(asyncio.create_task(self._await_start()))

    async def _await_start(self) -> None:
        try:
            await asyncio.wait_for(self._started.wait(), START_S)
        except TimeoutError:
            self.end(CLOSE_NORMAL, "no start message")

    def _begin(self, parameters: Mapping[str, str]) -> None:
        """The stream has started; whoever placed the call may say what the assistant is."""
        if instructions := parameters.get("instructions"):
            settings = dataclasses.replace(self._session.settings, instructions=instructions)
            self._session.configure(settings)
        self._started.set()

    def _take(self, frame: str | bytes) -> None:
        with self._survived():
            self._read(frame)

    async def _close(self, code: int, reason: str) -> None:
        self._telephone.keypad.close()
        await super()._close(code, reason)
