"""Progress bars of training commands, on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from voiceserver.training import schedule


@contextmanager
def bars() -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description:9}"),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as shown_bars:
        yield shown_bars


def counter(shown_bars: Progress, name: str, total: int) -> Callable[[int], None]:
    """A bar that is told how many are done."""
    task = shown_bars.add_task(name, total=total, note=f"of {total}")
    return lambda done: shown_bars.update(task, completed=done)


def reporter(shown_bars: Progress, name: str) -> schedule.Report:
    """A bar for a training run."""
    task = shown_bars.add_task(name, total=1.0, note="")

    def report(progress: schedule.Progress) -> None:
        note = f"step {progress.step}, {shown(progress.losses)}"
        shown_bars.update(task, completed=progress.share, note=note)

    return report


def shown(losses: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in losses.items())


def say(line: str) -> None:
    Console(highlight=False, soft_wrap=True).print(line)
