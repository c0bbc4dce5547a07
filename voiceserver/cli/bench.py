"""`voiceserver bench`: measurements, each printed as a card, a table and one JSON line."""

from __future__ import annotations

import typer

app = typer.Typer(help="Measure latency, quality and cost.", no_args_is_help=True)
