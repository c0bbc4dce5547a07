"""The connection of a call, which may be another one after it was lost."""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from voiceserver_client import events
from voiceserver_client.errors import CallEnded, CannotConnect, ServerRefused
from voiceserver_client.memory import Memory, Wire

_CLOSED_ON_PURPOSE = 1000
_REMEMBERED = ("input_audio_buffer.append", "conversation.item.create", "response.create")
_ANSWER_S = 10.0


@dataclass(frozen=True)
class Reconnect:
    """How a lost connection is tried again: with growing pauses, a little by chance."""

    tries: int = 8
    first_pause_s: float = 0.25
    longest_pause_s: float = 8.0

    def pause_s(self, failures: int) -> float:
        pause_s = min(self.longest_pause_s, self.first_pause_s * 2.0**failures)
        return pause_s * random.uniform(0.75, 1.25)  # not everybody comes back at once


class Link:
    """Sends and receives; what is lost with a connection is told to the next one."""

    def __init__(
        self,
        socket: ClientConnection,
        dial: Callable[[], Awaitable[ClientConnection]],
        reconnect: Reconnect | None,
    ) -> None:
        self.session: Wire = {}  # as it was last asked for
        self.memory = Memory()
        self._socket = socket
        self._dial = dial
        self._reconnect = reconnect
        self._restoring = asyncio.Lock()

    async def close(self) -> None:
        await self._socket.close()

    async def send(self, event: Wire) -> None:
        """Send an event; raises CallEnded once there is no connection to be had."""
        if event["type"] == "conversation.item.create":  # named here, to be known on both sides
            event = event | {"item": {"id": f"item_{secrets.token_hex(12)}"} | event["item"]}
        self.memory.sent(event)
        while True:
            socket = self._socket
            try:
                await socket.send(json.dumps(event))
                return
            except ConnectionClosed as error:
                await self._restore(socket, error)
                if event["type"] in _REMEMBERED:
                    return  # the new connection has been told

    async def next(self) -> events.Event:
        """The next event; a Reconnected where one connection has followed another."""
        socket = self._socket
        try:
            text = await socket.recv()
        except ConnectionClosed as error:
            await self._restore(socket, error)
            return events.Reconnected("client.reconnected", time.monotonic(), {})
        event = events.parse(text, time.monotonic())
        self.memory.received(event.data)
        return event

    async def _restore(self, lost: ClientConnection, error: ConnectionClosed) -> None:
        """Have a connection in place of the lost one; raises CallEnded."""
        frame = error.rcvd or error.sent
        on_purpose = frame is not None and frame.code == _CLOSED_ON_PURPOSE
        if self._reconnect is None or on_purpose:
            raise CallEnded(_closing_words(error)) from error
        async with self._restoring:
            if self._socket is not lost:
                return  # the other direction has seen to it
            why: Exception = error
            for failures in range(self._reconnect.tries):
                await asyncio.sleep(self._reconnect.pause_s(failures))
                try:
                    self._socket = await self._taken_up(await self._dial())
                except (CannotConnect, ConnectionClosed, TimeoutError) as again:
                    why = again
                else:
                    return
        raise CallEnded(f"the connection was lost and did not come back: {why}") from error

    async def _taken_up(self, socket: ClientConnection) -> ClientConnection:
        """A new connection that has been told the conversation."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                await _until(socket, "session.created")
                if self.session:
                    update = {"type": "session.update", "session": self.session}
                    await socket.send(json.dumps(update))
                    await _until(socket, "session.updated")
                for event in self.memory.replay():
                    self.memory.sent(event)
                    await socket.send(json.dumps(event))
        except BaseException:
            await socket.close()
            raise
        return socket


async def _until(socket: ClientConnection, kind: str) -> None:
    """Read on to an event of this type; an error before it is a ServerRefused."""
    while True:
        data: dict[str, Any] = json.loads(await socket.recv())
        if data["type"] == kind:
            return
        if data["type"] == "error":
            failure = data["error"]
            raise ServerRefused(failure["message"], failure.get("code"), failure.get("param"))


def _closing_words(error: ConnectionClosed) -> str:
    """Why the call ended, in the words of whoever ended it."""
    frame = error.rcvd or error.sent
    if frame is None:
        return "the connection broke"
    return f"the call was ended: {frame.reason or f'code {frame.code}'}"
