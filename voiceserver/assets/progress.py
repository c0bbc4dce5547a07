"""Progress bars of a pull, on stderr. Where stderr is no terminal, one line a finished download."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from voiceserver.assets.download import Progress as Report


class ProgressBars:
    """Context manager that shows every download followed by it."""

    def __init__(self, quiet: bool) -> None:
        console = Console(stderr=True, quiet=quiet)
        self._lines = not quiet and not console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=console,
            disable=quiet or not console.is_terminal,
        )

    def __enter__(self) -> ProgressBars:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def follow(self, name: str) -> Report:
        """A new bar; returns what is to be told of the download's progress."""
        task = self._progress.add_task(name, total=None, start=True)

        def report(done_bytes: int, total_bytes: int) -> None:
            self._progress.update(task, completed=done_bytes, total=total_bytes or None)
            if self._lines and done_bytes == total_bytes:
                print(f"fetched {name}: {total_bytes / 1e6:.1f} MB", file=sys.stderr)

        return report
