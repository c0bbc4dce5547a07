"""Twenty thousand events that make no sense: each is answered with an error or not at all.

Recorded sessions of the other tests (audio as a placeholder) are spoiled and sent to a real
gateway over real sockets. Every event that comes back is checked against the `openai` types.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import itertools
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from gateway_calls import Caller, Gateway, tone
from mutations import Mutator

EVENTS = 20_000
SESSIONS = 8
LOGGERS = ("", "voiceserver", "uvicorn", "uvicorn.error", "asyncio", "websockets")


def recorded_sessions() -> list[list[dict[str, Any]]]:
    audio = base64.b64encode(tone(0.04).tobytes()).decode()
    text = Path(__file__).with_name("recorded_sessions.jsonl").read_text(encoding="utf-8")
    return [json.loads(line)["events"] for line in text.replace("<audio>", audio).splitlines()]


@contextmanager
def logged() -> Iterator[list[str]]:
    """What is logged as an error or with an exception, by anybody."""
    found: list[str] = []

    class Keeper(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.ERROR or record.exc_info:
                found.append(logging.Formatter().format(record))

    keeper = Keeper()
    for name in LOGGERS:
        logging.getLogger(name).addHandler(keeper)
    try:
        yield found
    finally:
        for name in LOGGERS:
            logging.getLogger(name).removeHandler(keeper)


async def let_others_complain() -> None:
    """What other tests left behind, such as clients never closed, is logged before we listen."""
    for _ in range(3):
        gc.collect()
        await asyncio.sleep(0.05)


class Prober:
    """Sends spoiled events, and asks after each lot whether the session still answers."""

    def __init__(self, caller: Caller, mutator: Mutator) -> None:
        self._caller = caller
        self._mutator = mutator
        self._lots = itertools.count()
        self.sent: list[str | bytes] = []

    async def send_lot(self) -> None:
        lot = self._mutator.session()
        for frame in lot:
            await self._caller.socket.send(frame)
        self.sent += lot
        mark = f"probe {next(self._lots)}"
        session = {"type": "realtime", "instructions": mark}
        await self._caller.send("session.update", session=session, event_id=mark)
        await self._answered(mark)

    async def _answered(self, mark: str) -> None:
        """Read on to the answer to our own event."""
        while True:
            event = await self._caller.next()
            if event["type"] == "error":
                error = event["error"]
                assert error["type"] == "invalid_request_error", (error, self.sent[-20:])
                assert error["event_id"] != mark, error
            if event["type"] == "session.updated" and event["session"].get("instructions") == mark:
                return


async def fuzz(gateway: Gateway, seed: int, events: int) -> int:
    """One client that lives through its share of events."""
    mutator = Mutator(recorded_sessions(), seed)
    async with gateway.call() as caller:
        prober = Prober(caller, mutator)
        while len(prober.sent) < events:
            await prober.send_lot()
        return len(prober.sent)


async def test_twenty_thousand_spoiled_events_do_no_harm(
    start: Callable[..., AbstractContextManager[Gateway]],
) -> None:
    await let_others_complain()
    with logged() as complaints, start(sessions=SESSIONS, slots=SESSIONS + 1) as gateway:
        engine_pid = gateway.state.services.engine.pid
        share = -(-EVENTS // SESSIONS)
        counts = await asyncio.gather(*(fuzz(gateway, seed, share) for seed in range(SESSIONS)))
        assert sum(counts) >= EVENTS
        async with gateway.call() as caller:
            await caller.write("hello")
            await caller.send("response.create")
            assert (await caller.until("response.done"))["response"]["status"] == "completed"
        assert gateway.state.services.engine.pid == engine_pid
    assert not complaints, complaints[0]
