"""One family with small random weights for all tests of this folder."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from voiceserver.engine.mini_omni import reply
from voiceserver.engine.mini_omni.files import CheckpointFiles
from voiceserver.engine.mini_omni.model import MiniOmniFamily, MiniOmniFiles

from .table import SLOTS, Table, files


@pytest.fixture(scope="session")
def family_and_bell(random_mini_omni: Path) -> Iterator[tuple[MiniOmniFamily, threading.Event]]:
    """The family, all slots free, and what it rings to be called again."""
    bell = threading.Event()
    folder, vad, turn_end = files(random_mini_omni)
    found = MiniOmniFiles(CheckpointFiles.in_folder(folder), vad, turn_end)
    family = MiniOmniFamily.load(found, SLOTS, bell.set, torch.device("cpu"))
    yield family, bell
    family.shut_down()


@pytest.fixture
def table(
    family_and_bell: tuple[MiniOmniFamily, threading.Event], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Table]:
    """The family with a session in every slot.

    Random weights rarely end a reply; here the bound on its sound does so soon.
    """
    monkeypatch.setattr(reply, "FRAMES_AT_LEAST", 9)
    monkeypatch.setattr(reply, "FRAMES_PER_TOKEN", 1)
    family, bell = family_and_bell
    for slot in range(SLOTS):
        family.open(slot)
    yield Table(family, bell)
    for slot in range(SLOTS):
        family.close(slot)
