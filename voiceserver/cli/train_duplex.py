"""`voiceserver train duplex`: the duplex policy and its judges, from spoken text to weights.

On two free cores speech takes about two hours, an hour of dialogues three minutes, training as long
as told. Stopped, the command goes on where it was when called again.
"""

from __future__ import annotations

from pathlib import Path

import typer

from voiceserver.cli.training_bars import bars, counter, reporter, say
from voiceserver.config import cache_folder, models_folder
from voiceserver.training.duplex.recipe import REPLIES, DuplexRecipe


def duplex(
    minutes: float = typer.Option(20.0, min=0.0, help="To train, earlier runs included."),
    hours: float = typer.Option(7.5, min=0.2, help="Training dialogues."),
    held_out_hours: float = typer.Option(0.8, min=0.15, help="Dialogues to measure on."),
    readings: int = typer.Option(1000, min=100, help="Readings of users by the Piper voice."),
    speakers: int = typer.Option(40, min=2, help="Speakers of the Kokoro crowd."),
    sounds: int = typer.Option(4500, min=50, help="Sounds that each of two judges hears."),
    seed: int = typer.Option(7, help="Seed of everything random."),
    measure: bool = typer.Option(True, help="Print what simple rules on the forecasts would do."),
    work: Path | None = typer.Option(None, help="Work folder; default: duplex/ in the cache."),
    out: Path | None = typer.Option(None, help="For the weights; default: models/duplex_nano."),
) -> None:
    """Train the policy that foresees turns, interruptions and backchannels."""
    work = work or cache_folder() / "duplex"
    out = out or models_folder() / "duplex_nano"
    recipe = DuplexRecipe(work, out, hours, held_out_hours, readings, speakers, seed, sounds)
    recipe.work.mkdir(parents=True, exist_ok=True)
    with bars() as shown:
        replies = recipe.write_replies(counter(shown, "replies", REPLIES))
        recipe.speak(replies, counter(shown, "speech", recipe.utterances))
        recipe.make_dialogues(counter(shown, "dialogues", recipe.shards))
        policy = recipe.train(60 * minutes, reporter(shown, "policy"))
        tables = recipe.train_judges(replies, counter(shown, "judges", recipe.judged))
    say(f"the policy and its judges are in {recipe.weights}")
    if measure:
        for table in (recipe.measured(policy), *tables):
            say(table)
