"""`voiceserver bench dialogue|loop`: the synchronous loop, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

from voiceserver.cli.options import Device, Json, progress
from voiceserver.errors import VoiceserverError

if TYPE_CHECKING:
    from voiceserver.engine.sync_llm.checkpoint import Checkpoint

_WEIGHTS = typer.Option(None, help="Folder with a SyncLLM; see models/sync-llm/README.md.")
_RANDOM = typer.Option(False, "--random-weights", help="Small random weights: they say nothing.")


def dialogue(
    weights: Path | None = _WEIGHTS,
    random_weights: bool = _RANDOM,
    device: Device = "auto",
    dialogues: Path | None = typer.Option(
        None, help="Folder of .wav in two channels at 16 kHz: what is gone on from."
    ),
    prompt: float = typer.Option(30.0, min=0.0, help="Seconds of each that are heard first."),
    seconds: float = typer.Option(90.0, min=1.0, help="Seconds they talk then."),
    seed: int = typer.Option(0, help="Of what is drawn."),
    out: Path | None = typer.Option(None, help="Folder to write what they say to."),
    as_json: Json = False,
) -> None:
    """Two of a SyncLLM talk to each other: turn-taking events, and their correlation with truth."""
    with _checkpoint(weights, random_weights, device, 160, 0) as (checkpoint, what):
        from voiceserver.assets import resolve
        from voiceserver.bench.sync_llm import dialogue as bench

        vad = resolve("sync-llm", quiet=True, only=("vad",))["vad"]
        plan = bench.Plan(prompt, seconds, seed)
        found = bench.run(checkpoint, vad, plan, dialogues, out, what, progress)
    found.show(as_json)


def loop(
    model: str = typer.Option("nano", help="nano or sync-llm."),
    weights: Path | None = _WEIGHTS,
    random_weights: bool = _RANDOM,
    device: Device = "auto",
    sessions: int = typer.Option(1, min=1, help="Sessions at once."),
    chunk_ms: int = typer.Option(160, help="Of random weights: 160, 200 or 240."),
    layers: int = typer.Option(0, min=0, help="Of random weights; 0: small ones."),
    seconds: float = typer.Option(30.0, min=4.0, help="How long they talk, simulated."),
    as_json: Json = False,
) -> None:
    """Work of a chunk, p50 and p99, against half a chunk."""
    if model == "nano":
        from voiceserver.bench import loop_nano

        loop_nano.run(sessions, seconds).show(as_json)
        return
    if model != "sync-llm":
        raise VoiceserverError(f"--model {model}: it may be nano or sync-llm")
    with _checkpoint(weights, random_weights, device, chunk_ms, layers) as (checkpoint, what):
        from voiceserver.bench import loop as bench

        chunks = round(seconds * 1000 / checkpoint.settings.chunk_ms)
        found = bench.sync_llm(checkpoint, sessions, chunks, what)
    found.show(as_json)


def add_to(app: typer.Typer) -> None:
    for command in (dialogue, loop):
        app.command()(command)


@contextmanager
def _checkpoint(
    weights: Path | None, random_weights: bool, device: str, chunk_ms: int, layers: int
) -> Iterator[tuple[Checkpoint, str]]:
    """The networks and what they are called. Random weights are never taken unasked."""
    if weights is None and not random_weights:
        raise VoiceserverError("give --weights FOLDER, or --random-weights")
    from voiceserver.threads import prepare_threads

    if device != "cuda":
        prepare_threads()  # before torch is imported
    from voiceserver.bench.sync_llm.random_checkpoint import Sizes, write_folder
    from voiceserver.engine.mini_omni.device import device_of, precision_on
    from voiceserver.engine.sync_llm.checkpoint import load
    from voiceserver.engine.sync_llm.files import check_folder
    from voiceserver.nn.sync_llm.chunks import CHUNKS_MS

    if chunk_ms not in CHUNKS_MS:
        raise VoiceserverError(f"--chunk-ms {chunk_ms}: it may be 160, 200 or 240")
    place = device_of(device)
    dtype, int8 = precision_on(place)
    with TemporaryDirectory() as temporary:
        if weights is None:
            sizes = Sizes(chunk_ms=chunk_ms) if not layers else Sizes.wide(layers, chunk_ms)
            folder = write_folder(Path(temporary), sizes)
            what = f"random, {sizes.layers} layers of {sizes.dim}"
        else:
            folder, what = check_folder(weights), str(weights)
        yield load(folder, place, dtype, int8=int8), what
