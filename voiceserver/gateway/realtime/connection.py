"""One Realtime client's WebSocket."""

from __future__ import annotations

from starlette.websockets import WebSocket

from voiceserver.gateway.realtime.protocol import RealtimeProtocol
from voiceserver.gateway.realtime.settings import RealtimeSettings
from voiceserver.gateway.realtime.shelf import AudioShelf
from voiceserver.gateway.services import Services
from voiceserver.gateway.websocket_line import WebSocketLine
from voiceserver.session import notices as n


class Connection(WebSocketLine):
    """A Realtime client; its sound travels inside the events."""

    def __init__(
        self, websocket: WebSocket, services: Services, settings: RealtimeSettings
    ) -> None:
        super().__init__(websocket, services, settings.for_session())
        shelf = AudioShelf(services.limits.backlog_s + services.limits.utterance_s)
        self._protocol = RealtimeProtocol(
            self._session, settings, services, self._outbox, self._flush, shelf
        )
        self._protocol.extend(websocket.query_params)

    async def _open(self) -> None:
        await super()._open()
        self._protocol.begin()

    async def run(self) -> None:
        try:
            await super().run()
        finally:
            await self._protocol.close()

    def engine_ready(self) -> None:
        super().engine_ready()
        self._protocol.engine_ready()

    def _take(self, frame: str | bytes) -> None:
        self._protocol.take(frame)

    def _tell_client(self, notice: n.Effect) -> None:
        self._protocol.tell(notice)

    def _fail(self, message: str, code: str, kind: str = "invalid_request_error") -> None:
        self._protocol.fail(message, code, kind)
