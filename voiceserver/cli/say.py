"""`voiceserver say`: text to speech by the server's own voice, without a server."""

from __future__ import annotations

import time
from pathlib import Path

import typer
from rich.console import Console

from voiceserver.assets import load_manifest
from voiceserver.cli.audio_files import check_writable, write_speech
from voiceserver.config import models_folder
from voiceserver.errors import VoiceserverError


def say(
    text: str = typer.Argument(help="What to say."),
    out: Path = typer.Option(..., help="WAV file for the speech."),
    model: str = typer.Option("nano", help="Whose voice."),
) -> None:
    """Speak a text into a file, faster than real time."""
    if not text.strip():
        raise VoiceserverError("there is nothing to say: the text is empty")
    check_writable(out)
    load_manifest(model)  # is there such a model?
    from voiceserver.threads import prepare_threads

    prepare_threads()  # before torch is imported
    from voiceserver.engine.nano.speaking import speak
    from voiceserver.engine.nano.voice import Voice

    voice = Voice.load(models_folder() / model, slots=1)
    start_s = time.perf_counter()
    samples = speak(voice, text)
    took_s = time.perf_counter() - start_s
    write_speech(out, samples, voice.sample_rate_hz)
    seconds = len(samples) / voice.sample_rate_hz
    console = Console(highlight=False)
    console.print(f"{out}: {seconds:.1f} s of speech, made in {took_s:.1f} s")
