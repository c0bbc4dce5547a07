"""`voiceserver ask`: one spoken question over the real socket, and the spoken reply in a file."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import typer
from rich.console import Console

from voiceserver.cli.audio_files import check_writable, read_speech, trailing_quiet_s
from voiceserver.cli.options import ApiKey, Instructions, Url
from voiceserver.cli.own_server import server_at
from voiceserver.errors import VoiceserverError
from voiceserver_client import Reply, SessionOptions, connect
from voiceserver_client.audio import duration_s


def ask(
    question: Path = typer.Argument(help="Sound file with the question, in any usual format."),
    out: Path = typer.Option(..., help="WAV file for the reply."),
    url: Url = None,
    api_key: ApiKey = None,
    instructions: Instructions = None,
    as_json: bool = typer.Option(False, "--json", help="Print one JSON object as the last line."),
) -> None:
    """Ask a recorded question, in real time, and save the spoken reply."""
    pcm16 = read_speech(question)
    check_writable(out)
    with server_at(url, sessions=1) as server:
        key = api_key if url is not None else None
        reply = asyncio.run(_ask(server.url, key, pcm16, instructions))
    if reply.status == "failed":
        raise VoiceserverError(
            f"the server could not answer {reply.transcript!r}; its log says why"
        )
    reply.save(out)
    facts = _facts(pcm16, reply, out)
    if as_json:
        print(json.dumps(facts))
    else:
        _show(facts)


async def _ask(url: str, api_key: str | None, pcm16: bytes, instructions: str | None) -> Reply:
    async with connect(url, api_key, SessionOptions(instructions=instructions)) as call:
        return await call.ask(pcm16)


def _facts(pcm16: bytes, reply: Reply, out: Path) -> dict[str, Any]:
    """What happened, with times counted from the end of the user's last word."""
    quiet_ms = 1000 * trailing_quiet_s(pcm16)
    first_audio_ms = reply.first_audio_ms
    timing = reply.timing
    return {
        "transcript": reply.transcript,
        "reply_text": reply.text,
        "reply_seconds": round(reply.seconds, 3),
        "first_audio_ms": None if first_audio_ms is None else round(first_audio_ms + quiet_ms),
        "end_of_turn_ms": timing and timing.end_of_turn_ms,
        "recognised_ms": timing and timing.recognised_ms,
        "first_text_ms": timing and timing.first_text_ms,
        "status": reply.status,
        "question_seconds": round(duration_s(pcm16), 3),
        "out": str(out),
    }


def _show(facts: dict[str, Any]) -> None:
    console = Console(highlight=False)
    console.print("[bold]heard[/]  ", facts["transcript"])
    console.print("[bold]reply[/]  ", facts["reply_text"])
    first = "no audio" if facts["first_audio_ms"] is None else f"{facts['first_audio_ms']} ms"
    console.print(f"[dim]first audio after {first}; {facts['reply_seconds']} s in {facts['out']}")
