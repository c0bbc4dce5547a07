"""`voiceserver models`: which weights there are, fetch them, check them."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

from voiceserver import assets
from voiceserver.assets.manifest import model_names

app = typer.Typer(help="The weights: list, pull, verify.", no_args_is_help=True)

_MODEL = typer.Argument("nano", help="Which model.")


@app.command("list")
def list_models() -> None:
    """Every model, its assets, their licences, and whether they are here.

    A file's sha256 is pinned, or is recorded at its first fetch and checked from then on.
    """
    console = Console(highlight=False)
    for model in model_names():
        table = Table(title=f"model {model}", title_justify="left")
        for heading in ("asset", "for", "MB", "here", "sha256", "licence", "what"):
            table.add_column(heading, justify="right" if heading == "MB" else "left")
        by_asset: dict[str, list[assets.Status]] = {}
        for entry in assets.status(model):
            by_asset.setdefault(entry.asset.name, []).append(entry)
        for name, entries in by_asset.items():
            asset = entries[0].asset
            here = "yes" if all(entry.present for entry in entries) else "no"
            size = "?" if asset.size_bytes is None else f"{asset.size_bytes / 1e6:.0f}"
            table.add_row(name, asset.group, size, here, _pins(entries), asset.licence, asset.what)
        console.print(table)


def _pins(entries: list[assets.Status]) -> str:
    """What the files are checked against."""
    if all(entry.file.pinned for entry in entries):
        return "pinned"
    return "first fetch" if all(entry.expected for entry in entries) else "none yet"


@app.command()
def pull(
    model: str = _MODEL,
    everything: bool = typer.Option(False, "--all", help="Also what tests and training need."),
) -> None:
    """Fetch the weights that are not here yet, and verify them."""
    manifest = assets.load_manifest(model)
    groups = tuple(sorted({asset.group for asset in manifest.assets})) if everything else assets.RUN
    for name, path in assets.resolve(model, groups).items():
        print(f"{name}: {path}")


@app.command()
def verify(model: str = _MODEL) -> None:
    """Hash every file that is here; a wrong one is an error that names it."""
    entries = assets.verify(model)
    print(f"{model}: {len(entries)} files are as they should be")
