"""The command line: `voiceserver COMMAND`. Every failure is one clear line and a non-zero exit."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version

import typer
from rich.console import Console
from rich.text import Text

from voiceserver.cli import ask, bench, models, say, serve, talk
from voiceserver.errors import VoiceserverError
from voiceserver_client import RealtimeError

app = typer.Typer(
    help="A self-hosted, real-time, full-duplex voice assistant.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve.serve)
app.command()(ask.ask)
app.command()(say.say)
app.command()(talk.talk)
app.add_typer(models.app, name="models")
app.add_typer(bench.app, name="bench")


@app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def train(context: typer.Context) -> None:
    """Make the voice again: codec, talker."""
    from voiceserver.cli import train as commands  # torch and all: only this command needs it

    commands.app(context.args, prog_name="voiceserver train")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"voiceserver {installed_version('voiceserver')}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Print the version."
    ),
) -> None:
    """A self-hosted, real-time, full-duplex voice assistant."""


def main() -> None:
    """Run the command line; errors raised on purpose become one red line on stderr."""
    try:
        app()
    except (VoiceserverError, RealtimeError) as error:
        message = Text(f"voiceserver: {error}", style="red")
        Console(stderr=True, soft_wrap=True).print(message)
        sys.exit(1)
