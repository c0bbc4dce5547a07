"""SIGTERM: nobody new is admitted, replies under way are finished, then everything ends."""

from __future__ import annotations

import signal

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus


async def test_a_reply_under_way_is_finished_first(start) -> None:  # type: ignore[no-untyped-def]
    with start() as gateway:
        async with gateway.call() as caller:
            await caller.write("hello")
            await caller.send("response.create")
            await caller.until("response.output_audio.delta")
            gateway.server.handle_exit(signal.SIGTERM, None)
            async with httpx.AsyncClient(base_url=gateway.http) as client:
                health = await client.get("/health")
            assert (health.status_code, health.json()["status"]) == (503, "stopping")
            with pytest.raises(InvalidStatus) as refused:
                async with gateway.call():
                    pass
            assert refused.value.response.status_code == 503
            done = await caller.until("response.done")
            assert done["response"]["status"] == "completed"
            with pytest.raises(ConnectionClosed):
                await caller.next()
            assert caller.socket.close_code == 1012


async def test_an_idle_server_stops_at_once(start) -> None:  # type: ignore[no-untyped-def]
    with start() as gateway:
        async with gateway.call() as caller:
            gateway.server.handle_exit(signal.SIGTERM, None)
            with pytest.raises(ConnectionClosed):
                await caller.next()
            assert caller.socket.close_code == 1012
