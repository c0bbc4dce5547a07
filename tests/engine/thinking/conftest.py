from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # tests have no packages; the endpoint lies here

from fake_endpoint import FakeEndpoint, running_endpoint


@pytest.fixture(scope="module")
def endpoint() -> Iterator[FakeEndpoint]:
    with running_endpoint() as running:
        yield running
