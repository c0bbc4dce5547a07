"""`voiceserver train`: makes the weights of our own, text and speech for them included.

    voiceserver train codec     the voice's codec: 45 minutes of data, 7 of training on two cores
    voiceserver train talker    the voice's talker, on the same data
    voiceserver train duplex    the duplex policy

Stopped, a command goes on where it was when called again; with more `--minutes` it trains longer.
"""

from __future__ import annotations

from pathlib import Path

import torch
import typer
from rich.progress import Progress

from voiceserver.cli import train_duplex
from voiceserver.cli.options import Device
from voiceserver.cli.training_bars import bars, reporter, say
from voiceserver.cli.training_bars import shown as losses_shown
from voiceserver.config import cache_folder, models_folder
from voiceserver.errors import VoiceserverError
from voiceserver.training.corpus import Corpus
from voiceserver.training.recipe import Recipe

app = typer.Typer(help="Train the voice of nano and the duplex policy.", no_args_is_help=True)
app.command(name="duplex")(train_duplex.duplex)

_HOURS = typer.Option(8.0, min=0.1, help="Speech of the teacher to train on.")
_REPLIES = typer.Option(1024, min=400, help="Replies of the thinker to write; 300 are held out.")
_SEED = typer.Option(7, help="Seed of everything random.")
_WORK = typer.Option(None, help="Work folder; default: training/ in the cache.")
_OUT = typer.Option(None, help="Folder for the weights; default: models/nano.")


@app.command()
def codec(
    minutes: float = typer.Option(7.0, min=0.01, help="To train, earlier runs included."),
    hours: float = _HOURS,
    replies: int = _REPLIES,
    seed: int = _SEED,
    device: Device = "auto",
    work: Path | None = _WORK,
    out: Path | None = _OUT,
) -> None:
    """Train the codec: seven latents of the teacher <-> one frame of digits."""
    recipe = _recipe(work, out, replies, hours, seed, device)
    with bars() as shown:
        corpus = _data(recipe, shown)
        error = recipe.train_codec(corpus, 60 * minutes, reporter(shown, "codec"))
    say(f"codec.safetensors is in {recipe.weights}; normalised error {error:.4f}")


@app.command()
def talker(
    minutes: float = typer.Option(75.0, min=0.01, help="To train, earlier runs included."),
    hours: float = _HOURS,
    replies: int = _REPLIES,
    seed: int = _SEED,
    device: Device = "auto",
    work: Path | None = _WORK,
    out: Path | None = _OUT,
) -> None:
    """Train the talker: timed phonemes -> the codec's digits."""
    recipe = _recipe(work, out, replies, hours, seed, device)
    if not (recipe.weights / "codec.safetensors").exists():
        raise VoiceserverError(f"no codec in {recipe.weights}: run `voiceserver train codec` first")
    with bars() as shown:
        corpus = _data(recipe, shown)
        losses = recipe.train_talker(corpus, 60 * minutes, reporter(shown, "talker"))
    say(f"talker.safetensors is in {recipe.weights}; held-out losses {losses_shown(losses)}")


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


def _data(recipe: Recipe, shown: Progress) -> Corpus:
    text = shown.add_task("text", total=recipe.replies, note="replies")
    recipe.write_text(lambda done: shown.update(text, completed=done))
    shown.update(text, completed=recipe.replies)
    speech = shown.add_task("speech", total=recipe.hours, note="hours")
    return recipe.teach(lambda hours: shown.update(speech, completed=hours))
