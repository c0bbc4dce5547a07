"""`voiceserver talk`: a conversation by this computer's microphone and loudspeaker."""

from __future__ import annotations

import asyncio

from rich.console import Console

from voiceserver.cli.options import ApiKey, Instructions, Url
from voiceserver.cli.own_server import server_at
from voiceserver.cli.sound_card import SoundCard
from voiceserver_client import (
    AudioDelta,
    Conversation,
    Failure,
    InputTranscript,
    ResponseDone,
    SessionOptions,
    SpeechStarted,
    TextDelta,
    connect,
)


def talk(
    url: Url = None,
    api_key: ApiKey = None,
    instructions: Instructions = None,
) -> None:
    """Talk with the assistant; interrupt it as you like, and end with Ctrl-C."""
    with SoundCard() as card, server_at(url, sessions=1) as server:
        options = SessionOptions(instructions=instructions)
        try:
            asyncio.run(_talk(server.url, api_key if url else None, options, card))
        except KeyboardInterrupt:
            Console().print("\ngoodbye")


async def _talk(url: str, api_key: str | None, options: SessionOptions, card: SoundCard) -> None:
    async with connect(url, api_key, options) as call:
        Console().print("[bold]speak whenever you like[/] (Ctrl-C ends)")
        sending = asyncio.create_task(_send_microphone(call, card))
        try:
            await _play_replies(call, card)
        finally:
            sending.cancel()


async def _send_microphone(call: Conversation, card: SoundCard) -> None:
    while True:
        await call.send_audio(await card.recorded())


async def _play_replies(call: Conversation, card: SoundCard) -> None:
    console = Console(highlight=False)
    playing = ""  # item whose audio the loudspeaker has
    async for event in call:
        match event:
            case SpeechStarted():
                played_ms = card.flush()
                if playing and played_ms is not None:
                    await call.truncate(playing, played_ms)
                    console.print("[dim] …[/]", end="")
                playing = ""
            case InputTranscript():
                console.print(f"\n[bold cyan]you[/]  {event.transcript}")
            case AudioDelta():
                if event.item_id != playing:
                    playing = event.item_id
                    card.begin()
                card.play(event.pcm16)
            case TextDelta():
                console.print(event.delta, end="", markup=False)
            case ResponseDone():
                console.print()
            case Failure():
                console.print(f"[red]{event.message}[/]")
