"""A phone bot with a tool of its own, between a call provider and any Realtime server.

    python clients/phone/bot.py ws://127.0.0.1:8000 8080

Twilio's `<Stream url="wss://your.host:8080"/>` is joined to a Realtime session: mu-law both ways,
nothing is converted. Needs only `websockets`.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

TOOL = {
    "type": "function",
    "name": "opening_hours",
    "description": "When the shop in a city is open.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}
ULAW = {"format": {"type": "audio/pcmu"}}
SESSION = {
    "type": "realtime",
    "instructions": "You answer the phone of a bicycle shop, in one short sentence at a time.",
    "audio": {"input": ULAW | {"turn_detection": {"type": "semantic_vad"}}, "output": ULAW},
    "tools": [TOOL],
}


def opening_hours(city: str = "your city") -> str:
    return f"The shop in {city} is open from nine to six, on Sundays it is closed."


class Call:
    """One caller. What they have heard is known by the marks that come back."""

    def __init__(self, phone: ServerConnection, session: ClientConnection) -> None:
        self.phone, self.session = phone, session
        self.stream = ""
        self.sent_ms: dict[str, float] = {}  # of each reply
        self.unheard: dict[str, tuple[str, float]] = {}  # marks awaited: the reply and its ms
        self.heard: tuple[str, float] = ("", 0.0)

    async def ask(self, type: str, **fields: Any) -> None:
        await self.session.send(json.dumps({"type": type, **fields}))

    async def tell(self, event: str, **fields: Any) -> None:
        await self.phone.send(json.dumps({"event": event, "streamSid": self.stream, **fields}))

    async def from_phone(self) -> None:
        async for text in self.phone:
            message = json.loads(text)
            match message["event"]:
                case "start":
                    self.stream = message["start"]["streamSid"]
                    await self.ask("session.update", session=SESSION)
                    greeting = {"instructions": "Say hello, in one short sentence."}
                    await self.ask("response.create", response=greeting)
                case "media":
                    sound = message["media"]["payload"]
                    await self.ask("input_audio_buffer.append", audio=sound)
                case "mark":
                    self.heard = self.unheard.pop(message["mark"]["name"], self.heard)
                case "stop":
                    return

    async def from_session(self) -> None:
        async for text in self.session:
            event = json.loads(text)
            match event["type"]:
                case "response.output_audio.delta":
                    await self.speak(event["item_id"], event["delta"])
                case "input_audio_buffer.speech_started" if self.unheard:
                    await self.be_silent()
                case "response.function_call_arguments.done":
                    output = opening_hours(**json.loads(event["arguments"]))
                    result = {"type": "function_call_output", "output": output}
                    result["call_id"] = event["call_id"]
                    await self.ask("conversation.item.create", item=result)
                    await self.ask("response.create")
                case "error":
                    print(event["error"]["message"], file=sys.stderr)

    async def speak(self, item: str, sound: str) -> None:
        samples = len(sound) * 3 // 4  # base64; a byte is a sample at 8 kHz
        self.sent_ms[item] = self.sent_ms.get(item, 0.0) + samples / 8
        mark = f"{item} {self.sent_ms[item]:.0f}"
        self.unheard[mark] = item, self.sent_ms[item]
        await self.tell("media", media={"payload": sound})
        await self.tell("mark", mark={"name": mark})

    async def be_silent(self) -> None:
        item, _ = next(iter(self.unheard.values()))
        heard_ms = self.heard[1] if self.heard[0] == item else 0.0
        self.unheard.clear()
        await self.tell("clear")
        cut = {"item_id": item, "content_index": 0, "audio_end_ms": int(heard_ms)}
        await self.ask("conversation.item.truncate", **cut)


async def answer(phone: ServerConnection, url: str) -> None:
    """Hold one call, until either side ends it."""
    key = os.environ.get("VOICESERVER_API_KEY", "none")
    headers = {"Authorization": f"Bearer {key}"}
    async with connect(f"{url}/v1/realtime?model=nano", additional_headers=headers) as session:
        call = Call(phone, session)
        sides = [asyncio.create_task(call.from_phone()), asyncio.create_task(call.from_session())]
        await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
        for side in sides:
            side.cancel()
        await asyncio.gather(*sides, return_exceptions=True)


async def main(url: str, port: int) -> None:
    async with serve(lambda phone: answer(phone, url), "0.0.0.0", port) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1].rstrip("/"), int(sys.argv[2])))
