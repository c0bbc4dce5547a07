"""An OpenAI-compatible chat endpoint: posts a task, gives the reply piece by piece.

Failures are told by kind and status only. What an endpoint answers may hold the user's words.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncGenerator
from contextlib import aclosing
from urllib.parse import urlsplit

import httpx

from voiceserver.config import ThinkerConfig
from voiceserver.engine.family import Task
from voiceserver.engine.messages import EndReason
from voiceserver.engine.thinking.chat_messages import request_body
from voiceserver.engine.thinking.chat_stream import ChatFailed, ChatStream, EventLines

CONNECT_S = 4.0
MOST_REPLY_CHARS = 16_000  # a quarter of an hour of speech
MOST_STREAM_BYTES = 2**23  # with all the wrapping of every token
_MISUNDERSTOOD = (400, 422)  # how endpoints say that they do not know a field


class ChatEndpoint:
    """One endpoint. Lives on one event loop."""

    def __init__(self, config: ThinkerConfig) -> None:
        self._config = config
        self._url = f"{config.url.rstrip('/')}/chat/completions"
        self._key = config.key()
        self._plain = False  # it wants requests without the fields that some refuse
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(config.patience_s, connect=min(CONNECT_S, config.patience_s)),
            limits=httpx.Limits(max_connections=None),
            trust_env=not _is_this_machine(self._url),  # no proxy on the way to ourselves
        )

    @property
    def where(self) -> str:
        """Its address for logs, without what may be secret in a URL."""
        parts = urlsplit(self._url)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")

    async def close(self) -> None:
        await self._client.aclose()

    async def reply(self, task: Task, stream: ChatStream) -> AsyncGenerator[str, None]:
        """The reply's text as it comes; what else there is stands in `stream` afterwards."""
        try:
            async with asyncio.timeout(self._config.patience_s) as patience:
                response = await self._post(task)
                async with aclosing(response), aclosing(self._texts(response, stream)) as texts:
                    async for text in texts:
                        patience.reschedule(None)  # whoever takes the text may take their time
                        yield text
                        loop = asyncio.get_running_loop()
                        patience.reschedule(loop.time() + self._config.patience_s)
        except (TimeoutError, httpx.TimeoutException):
            raise ChatFailed("timeout", f"silent for {self._config.patience_s:g} s") from None
        except httpx.ConnectError:
            raise ChatFailed("unreachable", "cannot be reached") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ChatFailed("broken_off", f"{type(error).__name__}") from None

    async def _post(self, task: Task) -> httpx.Response:
        """The opened stream of the answer; asked once more, plainly, if it was not understood."""
        for plain in (False, True) if not self._plain else (True,):
            headers = {"Accept": "text/event-stream"}
            if self._key:
                headers["Authorization"] = f"Bearer {self._key}"
            body = request_body(self._config.model, task, plain=plain)
            request = self._client.build_request("POST", self._url, json=body, headers=headers)
            response = await self._client.send(request, stream=True)
            if response.status_code == httpx.codes.OK:
                self._plain = plain
                return response
            await response.aclose()
            if response.status_code not in _MISUNDERSTOOD:
                break
        status = response.status_code
        raise ChatFailed(f"http_{status}", f"answers with HTTP status {status}")

    async def _texts(
        self, response: httpx.Response, stream: ChatStream
    ) -> AsyncGenerator[str, None]:
        lines, chars, received_bytes = EventLines(), 0, 0
        async for data in response.aiter_bytes():
            received_bytes += len(data)
            if received_bytes > MOST_STREAM_BYTES:
                raise ChatFailed("too_long", "the stream does not end")
            for line in lines.feed(data):
                text = stream.take(line)
                if text is not None:
                    yield text
                chars += len(text or "")
                if stream.over:
                    return
                if chars > MOST_REPLY_CHARS:
                    stream.end = EndReason.MAX_TOKENS
                    return
        if stream.end is None:
            raise ChatFailed("broken_off", "the stream ends before the reply does")


def _is_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
