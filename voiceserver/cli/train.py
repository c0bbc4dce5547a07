"""`voiceserver train`: makes the weights of the voice, text and speech for it included.

    voiceserver train codec     the codec, about 45 minutes of data and 7 of training on two cores
    voiceserver train talker    the talker, on the same data

Stopped, a command goes on where it was when called again; with more `--minutes` it trains longer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from voiceserver.config import cache_folder, models_folder
from voiceserver.errors import VoiceserverError
from voiceserver.training import schedule
from voiceserver.training.corpus import Corpus
from voiceserver.training.recipe import Recipe

app = typer.Typer(help="Train the voice of nano.", no_args_is_help=True)

_HOURS = typer.Option(8.0, min=0.1, help="Speech of the teacher to train on.")
_REPLIES = typer.Option(1024, min=400, help="Replies of the thinker to write; 300 are held out.")
_SEED = typer.Option(7, help="Seed of everything random.")
_DEVICE = typer.Option("auto", help="auto, cpu or cuda.")
_WORK = typer.Option(None, help="Work folder; default: training/ in the cache.")
_OUT = typer.Option(None, help="Folder for the weights; default: models/nano.")


@app.command()
def codec(
    minutes: float = typer.Option(7.0, min=0.01, help="To train, earlier runs included."),
    hours: float = _HOURS,
    replies: int = _REPLIES,
    seed: int = _SEED,
    device: str = _DEVICE,
    work: Path | None = _WORK,
    out: Path | None = _OUT,
) -> None:
    """Train the codec: seven latents of the teacher <-> one frame of digits."""
    recipe = _recipe(work, out, replies, hours, seed, device)
    with _bars() as bars:
        corpus = _data(recipe, bars)
        error = recipe.train_codec(corpus, 60 * minutes, _reporter(bars, "codec"))
    _say(f"codec.safetensors is in {recipe.weights}; normalised error {error:.4f}")


@app.command()
def talker(
    minutes: float = typer.Option(75.0, min=0.01, help="To train, earlier runs included."),
    hours: float = _HOURS,
    replies: int = _REPLIES,
    seed: int = _SEED,
    device: str = _DEVICE,
    work: Path | None = _WORK,
    out: Path | None = _OUT,
) -> None:
    """Train the talker: timed phonemes -> the codec's digits."""
    recipe = _recipe(work, out, replies, hours, seed, device)
    if not (recipe.weights / "codec.safetensors").exists():
        raise VoiceserverError(f"no codec in {recipe.weights}: run `voiceserver train codec` first")
    with _bars() as bars:
        corpus = _data(recipe, bars)
        losses = recipe.train_talker(corpus, 60 * minutes, _reporter(bars, "talker"))
    _say(f"talker.safetensors is in {recipe.weights}; held-out losses {_shown(losses)}")


def _recipe(
    work: Path | None, out: Path | None, replies: int, hours: float, seed: int, device: str
) -> Recipe:
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device not in ("cpu", "cuda"):
        raise VoiceserverError(f"--device must be auto, cpu or cuda, not {device!r}")
    work = work or cache_folder() / "training"
    out = out or models_folder() / "nano"
    work.mkdir(parents=True, exist_ok=True)
    out.mkdir(parents=True, exist_ok=True)
    return Recipe(work, out, replies, hours, seed, torch.device(device))


def _data(recipe: Recipe, bars: Progress) -> Corpus:
    text = bars.add_task("text", total=recipe.replies, note="replies")
    recipe.write_text(lambda done: bars.update(text, completed=done))
    bars.update(text, completed=recipe.replies)
    speech = bars.add_task("speech", total=recipe.hours, note="hours")
    return recipe.teach(lambda hours: bars.update(speech, completed=hours))


def _reporter(bars: Progress, name: str) -> schedule.Report:
    task = bars.add_task(name, total=1.0, note="")

    def report(progress: schedule.Progress) -> None:
        note = f"step {progress.step}, {_shown(progress.losses)}"
        bars.update(task, completed=progress.share, note=note)

    return report


@contextmanager
def _bars() -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description:8}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as bars:
        yield bars


def _shown(losses: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in losses.items())


def _say(line: str) -> None:
    Console(highlight=False, soft_wrap=True).print(line)
