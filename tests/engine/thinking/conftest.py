from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests have no packages; the endpoint lies here

from checkpoint_bench import Bench
from fake_endpoint import FakeEndpoint, running_endpoint
from random_folder import random_folder


@pytest.fixture(scope="module")
def endpoint() -> Iterator[FakeEndpoint]:
    with running_endpoint() as running:
        yield running


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def make(kind: str) -> Path:
        if kind not in made:
            made[kind] = random_folder(tmp_path_factory.mktemp(kind), kind)
        return made[kind]

    return make


@pytest.fixture
def make(folder: Callable[[str], Path]) -> Iterator[Callable[[str], Bench]]:
    benches: list[Bench] = []

    def making(kind: str) -> Bench:
        benches.append(Bench(folder(kind)))
        return benches[-1]

    yield making
    for bench in benches:
        bench.thinker.shut_down()
