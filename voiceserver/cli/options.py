"""Options that several commands share, and how they tell what they do."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

Url = Annotated[str | None, typer.Option(help="Server, like ws://host:8000; else one is started.")]
ApiKey = Annotated[str | None, typer.Option(envvar="VOICESERVER_API_KEY", show_envvar=True)]
Instructions = Annotated[str | None, typer.Option(help="How the assistant should behave.")]
Json = Annotated[bool, typer.Option("--json", help="Print only the JSON line.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Out = Annotated[
    Path | None, typer.Option(help="Folder to keep the JSON in, named by date, device and bench.")
]


def progress(line: str) -> None:
    """Something that is done meanwhile, on stderr."""
    Console(stderr=True, highlight=False).print(line, style="dim", markup=False)
