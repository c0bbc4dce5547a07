"""Which scenes a bench plays, and in what order: kinds take turns, lost scenes are made good."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from voiceserver.bench.duplex.played import Played
from voiceserver.bench.duplex.report import Results
from voiceserver.scenes.live import SceneKind

SPARE = 2  # so many times the scenes of a kind are tried in all


@dataclass(frozen=True)
class Plan:
    """`scenes` of each kind that go as planned, or as many as do of SPARE times that number.

    Each kind's scenes are tried in the order of their numbers until there are enough. Which ones
    these are depends on the scenes alone, however a run is cut into pieces.
    """

    kinds: tuple[SceneKind, ...]
    scenes: int
    sessions: int
    seed: int

    def due(self, played: Iterable[Played]) -> list[tuple[SceneKind, int]]:
        """The next scenes to play, if all of them go as planned.

        Kinds take turns, so that whatever changes with time touches all alike.
        """
        known = list(played)
        found: list[tuple[int, int]] = []
        for place, kind in enumerate(self.kinds):
            tried = {one.number for one in known if one.kind == kind}
            went = sum(one.kind == kind and one.outcome is not None for one in known)
            untried = [number for number in range(SPARE * self.scenes) if number not in tried]
            found += [(number, place) for number in untried[: max(0, self.scenes - went)]]
        return [(self.kinds[place], number) for number, place in sorted(found)]

    def results(self, server: str, played: Iterable[Played]) -> Results:
        """The scenes that are asked for, by number; a file may have more."""
        results = Results(server, {kind: [] for kind in self.kinds})
        results.not_run = {kind: [] for kind in self.kinds}
        for one in sorted(played, key=lambda one: one.number):
            outcomes = results.outcomes.get(one.kind)
            if outcomes is None or len(outcomes) == self.scenes:
                continue
            results.seconds += one.seconds
            if one.outcome is None:
                results.not_run[one.kind].append(f"{one.name}: {one.not_run}")
            else:
                outcomes.append(one.outcome)
        return results
