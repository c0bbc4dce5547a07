"""`voiceserver bench echo` and `bench noise`: what comes of all that is heard besides users."""

from __future__ import annotations

import typer

from voiceserver.cli.options import Json, progress
from voiceserver.config import TURN_TAKING, EngineConfig


def add_to(app: typer.Typer) -> None:
    app.command()(echo)
    app.command()(noise)


def echo(
    scenes: int = typer.Option(20, min=1, help="Rooms for each level of the echo."),
    turn_taking: str = typer.Option(
        EngineConfig.turn_taking, help=f"One of {', '.join(TURN_TAKING)}."
    ),
    as_json: Json = False,
) -> None:
    """Does our own voice from a loudspeaker interrupt us, and can the user? Simulated calls."""
    from voiceserver.config import turn_taking_named
    from voiceserver.threads import prepare_threads

    prepare_threads()  # before torch is imported
    from voiceserver.bench import echo as bench

    bench.measure(turn_taking_named(turn_taking), scenes, progress).show(as_json)


def noise(
    sentences: int = typer.Option(4, min=1, max=29, help="Sentences in each noise."),
    as_json: Json = False,
) -> None:
    """What noise reduction changes for turns and words, near the microphone and far from it."""
    from voiceserver.bench import noise as bench

    bench.measure(sentences, progress).show(as_json)
