"""`voiceserver bench step|codec|kernels|sessions`: a model on a device, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from voiceserver.cli.options import Device, Json, Out, progress
from voiceserver.errors import VoiceserverError

if TYPE_CHECKING:
    from voiceserver.bench.mini_omni.subject import Subject

_MODEL = typer.Option("mini-omni", help="Model.")
_WEIGHTS = typer.Option(None, help="Folder with the checkpoint.")
_RANDOM = typer.Option(False, "--random-weights", help="Random weights of the published sizes.")
_REDUCED = typer.Option(False, "--reduced", help="Small random weights, to try the bench itself.")
_SESSIONS = typer.Option("1,2,4,8", help="How many sessions at once, one measurement each.")


def step(
    model: str = _MODEL,
    weights: Path | None = _WEIGHTS,
    random_weights: bool = _RANDOM,
    reduced: bool = _REDUCED,
    device: Device = "auto",
    sessions: str = _SESSIONS,
    steps: int = typer.Option(100, min=2, help="Steps of each measurement."),
    as_json: Json = False,
    out: Out = None,
) -> None:
    """One step of the language model: p50 and p99, against the floor and the published loop."""
    subject = _subject(model, weights, random_weights, reduced, device)
    from voiceserver.bench.mini_omni import step as bench

    bench.run(subject, _numbers(sessions), steps, progress).show(as_json, out)


def codec(
    model: str = _MODEL,
    weights: Path | None = _WEIGHTS,
    random_weights: bool = _RANDOM,
    reduced: bool = _REDUCED,
    device: Device = "auto",
    sessions: str = _SESSIONS,
    frames: int = typer.Option(50, min=2, help="Frames of each measurement."),
    as_json: Json = False,
    out: Out = None,
) -> None:
    """One frame of streamed speech, against the sliding window."""
    subject = _subject(model, weights, random_weights, reduced, device)
    from voiceserver.bench.mini_omni import codec as bench

    bench.run(subject, _numbers(sessions), frames, progress).show(as_json, out)


def kernels(
    reduced: bool = _REDUCED,
    device: Device = "auto",
    sessions: str = _SESSIONS,
    repeats: int = typer.Option(200, min=2, help="Launches of each measurement."),
    as_json: Json = False,
    out: Out = None,
) -> None:
    """Every kernel against its torch twin, checked before it is timed."""
    subject = _subject("mini-omni", None, True, reduced, device)
    from voiceserver.bench.mini_omni import kernels as bench

    bench.run(subject, _numbers(sessions), repeats).show(as_json, out)


def sessions(
    model: str = _MODEL,
    weights: Path | None = _WEIGHTS,
    random_weights: bool = _RANDOM,
    reduced: bool = _REDUCED,
    device: Device = "auto",
    sessions: str = _SESSIONS,
    seconds: float = typer.Option(20.0, min=1.0, help="How long each number of sessions talks."),
    as_json: Json = False,
    out: Out = None,
) -> None:
    """Whole conversations at once, in real time: time of a chunk's work, late frames."""
    subject = _subject(model, weights, random_weights, reduced, device)
    from voiceserver.bench.mini_omni import sessions as bench

    bench.run(subject, _numbers(sessions), seconds, progress).show(as_json, out)


def add_to(app: typer.Typer) -> None:
    for command in (step, codec, kernels, sessions):
        app.command()(command)


def _subject(
    model: str, weights: Path | None, random_weights: bool, reduced: bool, device: str
) -> Subject:
    """What to measure. Random weights are never taken unasked."""
    if model != "mini-omni":
        raise VoiceserverError(f"--model {model}: only mini-omni is measured this way")
    if weights is None and not (random_weights or reduced):
        raise VoiceserverError("give --weights FOLDER, or --random-weights")
    if device != "cuda":
        from voiceserver.threads import prepare_threads

        prepare_threads()  # before torch is imported
    from voiceserver.bench.mini_omni.subject import Subject
    from voiceserver.engine.mini_omni.device import device_of

    return Subject(device_of(device), weights, reduced)


def _numbers(text: str) -> list[int]:
    """From `1,8,64`."""
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise VoiceserverError(f"--sessions {text}: numbers like 1,8,64 are asked for")
    return numbers
