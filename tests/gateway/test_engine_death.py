"""The engine process killed: sessions are told, a new one comes, conversations go on."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from gateway_calls import Gateway, tone

from voiceserver.config import EngineConfig
from voiceserver.engine.messages import OpenSession, Respond, SessionOpened, TextDelta
from voiceserver.gateway import engine_client
from voiceserver.metrics import Metrics


async def kill_engine(gateway: Gateway) -> None:
    pid = gateway.state.services.engine.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


async def test_a_killed_engine_is_replaced_and_the_conversation_kept(start) -> None:  # type: ignore[no-untyped-def]
    with start() as gateway:
        async with gateway.call() as caller:
            await caller.write("remember this")
            await caller.send("response.create")
            await caller.until("response.done")
            await caller.write("long")
            await caller.send("response.create")
            await caller.until("response.output_audio.delta")
            await kill_engine(gateway)
            error = await caller.next()
            while error["type"] != "error":
                error = await caller.next()
            assert error["error"]["code"] == "engine_restarted"
            assert error["error"]["type"] == "server_error"
            done = (await caller.until("response.done"))["response"]
            assert done["status"] == "failed"
            assert done["status_details"]["error"]["code"] == "engine_restarted"
            for _ in range(600):
                if len(gateway.told(caller.session_id, OpenSession)) == 2:  # the new engine's, too
                    break
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.3)
            await caller.speak()
            assert (await caller.until("response.done"))["response"]["status"] == "completed"
            texts = [m.text for m in gateway.told(caller.session_id, Respond)[-1].dialogue]
            assert texts[1:3] == ["remember this", "I heard remember this."]
            started = [e for e in caller.events if e["type"].endswith("speech_started")][-1]
            assert started["audio_start_ms"] < 500  # the audio clock counts what the client sent
        async with httpx.AsyncClient(base_url=gateway.http) as client:
            page = (await client.get("/metrics")).text
            assert "voiceserver_engine_restarts_total 1.0" in page


async def test_a_turn_under_way_is_told_off_and_the_next_works(start, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(engine_client, "SPARE_AFTER_S", 60.0)  # so that the gap can be seen
    with start() as gateway:
        async with gateway.call() as caller:
            await caller.append(tone(0.5))
            await caller.until("input_audio_buffer.speech_started")
            await kill_engine(gateway)
            assert (await caller.until("error"))["error"]["code"] == "engine_restarted"
            assert (await health(gateway)).status_code == 503
            await caller.append(tone(0.5))  # heard by nobody, and no harm
            async with gateway.call() as other:  # waits for the new engine
                await other.speak()
                await other.until("response.done")
            await caller.speak()
            await caller.until("response.done")


async def health(gateway: Gateway) -> httpx.Response:
    async with httpx.AsyncClient(base_url=gateway.http) as client:
        return await client.get("/health")


async def test_the_successor_has_been_waiting(start, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(engine_client, "SPARE_AFTER_S", 0.0)
    others = children()  # of other tests
    with start() as gateway:
        for _ in range(200):
            waiting = children() - others - {gateway.state.services.engine.pid}
            if waiting:
                break
            await asyncio.sleep(0.05)
        await kill_engine(gateway)
        async with gateway.call() as caller:
            await caller.speak()
            await caller.until("response.done")
        assert {gateway.state.services.engine.pid} == waiting


def children() -> set[int]:
    """Process ids of what this process has spawned."""
    tasks = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {int(pid) for task in tasks for pid in task.read_text().split()}


async def test_an_engine_that_hangs_is_replaced(start, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(engine_client, "ANSWER_S", 0.5)
    with start() as gateway:
        pid = gateway.state.services.engine.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        async with gateway.call() as caller:  # is served by its successor
            await caller.speak()
            await caller.until("response.done")
        assert gateway.state.services.engine.pid != pid


async def test_an_engine_that_is_busy_with_others_is_let_be(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(engine_client, "ANSWER_S", 0.2)
    client = engine_client.EngineClient(EngineConfig(), Metrics(), ["never started"])
    client._process = SimpleNamespace(kill=lambda: killed.append(True))  # type: ignore[assignment]
    killed: list[bool] = []
    client._ready_event.set()
    opening = asyncio.create_task(client.open("sess_1", SimpleNamespace()))  # type: ignore[arg-type]
    for _ in range(25):  # longer than its patience
        await asyncio.sleep(0.02)
        client._take(TextDelta("sess_of_another", 1, "resp_1", "word"))
    assert not opening.done()
    client._take(SessionOpened("sess_1"))
    await opening
    assert not killed


async def test_an_engine_that_cannot_start_ends_the_server_with_a_reason(start) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(AssertionError, match="did not start"), start(slots="no number"):
        pass
